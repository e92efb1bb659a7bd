import { Logger } from '@nestjs/common';

/** Warns, once at start, of access points that are asked over a network without TLS. */
export function warnOfPlainHttp(accessPoints: readonly string[]): void {
  const urls = accessPoints.map((url) => new URL(url));
  const origins = urls
    .filter(
      ({ protocol, hostname }) => protocol === 'http:' && !isOwn(hostname),
    )
    .map(({ origin }) => origin);
  if (origins.length === 0) return;
  new Logger('GAuthifyModule').warn(
    `accessPoints: ${[...new Set(origins)].join(', ')} is asked over plain http, so anyone on the network in between can read the API key, secrets and codes, and answer in GAuthify's place. Use https, or let the connection stay on this machine.`,
  );
}

/** Whether a host name, as `URL` spells it, is this machine. */
const isOwn = (hostname: string): boolean =>
  /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
