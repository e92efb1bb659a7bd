/**
 * `users()` in processes of their own, as it is published: run `npm run build`
 * first. V8's space for young objects is held down: with its default a process
 * settles at about 155 MB, of which a Nest application that has done nothing yet
 * takes 115, and garbage that V8 lets lie the rest.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from '@jest/globals';

const children: ChildProcess[] = [];
const start = (name: string, argument: string, execArgv: string[] = []) => {
  const child = fork(`test/bench/${name}.mjs`, [argument], { execArgv });
  children.push(child);
  return child;
};
afterEach(() => children.splice(0).forEach((child) => child.kill()));

it('passes 1,000,000 users through less than 150 MB', async () => {
  const [port] = await once(start('users-server', '1000000'), 'message');
  const client = start('users-client', String(port), [
    '--max-semi-space-size=2',
  ]);
  const [{ users, maxRssMb }] = await once(client, 'message');
  expect(users).toBe(1_000_000);
  expect(maxRssMb).toBeLessThan(150);
}, 120_000);
