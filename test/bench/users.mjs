/**
 * A million users through `users()`, in a process of its own: how long it takes,
 * and the most memory. V8's space for young objects is held down: with its
 * default, most of the memory is garbage that V8 has not collected yet.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';

const TOTAL = 1_000_000;
const MOST_MB = 150;

const start = (name, argument, execArgv = []) =>
  fork(new URL(`${name}.mjs`, import.meta.url), [argument], { execArgv });

const server = start('users-server', String(TOTAL));
const [port] = await once(server, 'message');
const from = performance.now();
const client = start('users-client', String(port), ['--max-semi-space-size=2']);
const [{ users, maxRssMb }] = await once(client, 'message');
const seconds = ((performance.now() - from) / 1000).toFixed(1);
server.disconnect();

console.log(`${users} users in ${seconds} s, at most ${maxRssMb} MB`);
if (users !== TOTAL || maxRssMb >= MOST_MB) {
  console.log(`FAILED: expected ${TOTAL} users, in less than ${MOST_MB} MB`);
  process.exitCode = 1;
}
