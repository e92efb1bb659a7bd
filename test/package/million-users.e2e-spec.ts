/**
 * `users()` in processes of their own, as it is published: run `npm run build`
 * first. V8 is told to collect its garbage instead of letting it lie: with its
 * defaults a process of 30 MB of live objects grows to about 200 MB, and stays
 * there.
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
    '--max-old-space-size=48',
    '--max-semi-space-size=2',
  ]);
  const [{ users, maxRssMb }] = await once(client, 'message');
  expect(users).toBe(1_000_000);
  expect(maxRssMb).toBeLessThan(150);
}, 120_000);
