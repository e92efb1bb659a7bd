import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether a host of a URL is this machine, in whatever way it is written. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '');
  const version = isIP(name);
  return version === 0
    ? name === 'localhost' || name.endsWith('.localhost')
    : LOOPBACK.check(name, version === 6 ? 'ipv6' : 'ipv4');
}
