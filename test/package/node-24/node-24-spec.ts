/** Run by `npm run test:node-24`, on Node 24. `OTHER_NODE` is the Node that better-sqlite3 was compiled for. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser } from '../../helpers/api.js';
import { INSTALLED_PROGRAM, installWithout } from '../../helpers/installed.js';

const OTHER_NODE = process.env.OTHER_NODE!;

let folder: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  installWithout(folder, 'better-sqlite3');
});
afterEach(async () => {
  for (const child of running.splice(0)) await stop(child);
  rmSync(folder, { recursive: true });
});

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Starts the program; resolves once it has said which driver it uses. */
async function start(node: string, program: string) {
  const apiKey = 'k'.repeat(24);
  const child = spawn(node, [program], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      GAUTHIFY_API_KEYS: `shop:${apiKey}`,
    },
  });
  running.push(child);
  let [output, errors] = ['', ''];
  child.stderr.on('data', (data) => (errors += String(data)));
  const [, accessPoint, driver] = await new Promise<string[]>((done, fail) => {
    child.on('close', () => fail(new Error(`The program ended: ${errors}`)));
    child.stdout.on('data', (data) => {
      output += String(data);
      const found =
        /access point (\S+)\nDatabase gauthify\.sqlite \((\S+)\)/.exec(output);
      if (found) done(found);
    });
  });
  const server = { accessPoint, apiKey } as GAuthifyTestServer;
  return { child, server, driver, errors: () => errors };
}

const withoutPackage = () => start(process.execPath, INSTALLED_PROGRAM);
const withPackage = () => start(OTHER_NODE, resolve('dist/server/cli/main.js'));

it('starts without better-sqlite3 and without a warning, and keeps what it was told', async () => {
  const first = await withoutPackage();
  expect(first.driver).toBe('node:sqlite');
  const create = () =>
    call(
      first.server,
      'POST',
      'users/',
      { unique_id: 'jane', display_name: 'Jane' },
      { headers: { 'idempotency-key': 'once' } },
    );
  const made = await create();
  expect(made.status).toBe(201);
  expect((await create()).body.data).toEqual(made.body.data);
  const { key, otp } = made.body.data;
  const right = { authenticated: true, method: 'otp' };
  expect(await check(first.server, 'jane', otp)).toMatchObject(right);
  expect(await check(first.server, 'jane', otp)).toMatchObject({
    authenticated: false,
  });
  await stop(first.child);
  expect(first.errors()).toBe('');

  const second = await withoutPackage();
  expect(await check(second.server, 'jane', otp)).toMatchObject({
    authenticated: false,
  });
  const { body } = await call(second.server, 'GET', 'users/jane/');
  expect(body.data.key).toBe(key);
  expect(await check(second.server, 'jane', body.data.otp)).toMatchObject(
    right,
  );
});

it('reads what better-sqlite3 wrote, and the other way round', async () => {
  const users: any[] = [];
  const drivers: (string | undefined)[] = [];
  for (const startOne of [withPackage, withoutPackage, withPackage]) {
    const { server, child, driver, errors } = await startOne();
    drivers.push(driver);
    const { body } = await call(server, 'GET', 'users/');
    expect(body.data).toEqual(users.map((user) => withAddressOf(server, user)));
    for (const { unique_id, otp } of body.data)
      expect(await check(server, unique_id, otp)).toMatchObject({
        authenticated: true,
      });
    await createUser(server);
    users.splice(0, users.length);
    users.push(...(await call(server, 'GET', 'users/')).body.data);
    await stop(child);
    expect(errors()).toBe('');
  }
  expect(drivers).toEqual(['better-sqlite3', 'node:sqlite', 'better-sqlite3']);
}, 120_000);

/** A user as another server shows them: links name its port. */
function withAddressOf({ accessPoint }: GAuthifyTestServer, user: any): any {
  const origin = /http:\/\/127\.0\.0\.1:\d+\/v1\//g;
  return JSON.parse(JSON.stringify(user).replace(origin, accessPoint));
}
