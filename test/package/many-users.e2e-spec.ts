/** `users()` in a process of its own, as it is published: run `npm run build` first. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from '@jest/globals';

const children: ChildProcess[] = [];
const start = (name: string, argument: string, execArgv: string[] = []) => {
  const child = fork(`test/bench/${name}.mjs`, [argument], {
    execArgv,
    stdio: 'ignore',
  });
  children.push(child);
  return child;
};
afterEach(() => children.splice(0).forEach((child) => child.kill()));

it('passes 50,000 users through a heap that cannot hold them', async () => {
  const [port] = await once(start('users-server', '50000'), 'message');
  const client = start('users-client', String(port), [
    '--max-old-space-size=64',
  ]);
  const result = await Promise.race([
    once(client, 'message').then(([message]) => message),
    once(client, 'exit').then(() => 'the process ended without a result'),
  ]);
  expect(result).toMatchObject({ users: 50_000 });
}, 60_000);
