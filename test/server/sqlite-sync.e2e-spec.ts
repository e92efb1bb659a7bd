import 'reflect-metadata';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';

/** Stands in for `fdatasync`, which each test lets succeed or fail when it wants. */
const synchronizing: ((error: Error | null) => void)[] = [];
jest.unstable_mockModule('node:fs', () => ({
  ...fs,
  default: fs,
  fdatasync: (_file: number, done: (error: Error | null) => void) => {
    synchronizing.push(done);
  },
}));
const { GAuthifyTestServer } = await import('nestjs-gauthify/testing');
const { CheckService } =
  await import('../../lib/server/factors/check.service.js');
const { openDatabase } =
  await import('../../lib/server/store/open-database.js');
const { call, createUser, ORIGIN } = await import('../helpers/api.js');

let folder: string;
let server: Awaited<ReturnType<typeof GAuthifyTestServer.start>>;
/** Lets those that no test waits for succeed. */
let others: NodeJS.Immediate | undefined;
function letOthersSucceed(): void {
  clearImmediate(others);
  for (const done of synchronizing.splice(0)) done(null);
  others = setImmediate(letOthersSucceed);
}
const holdAll = () => clearImmediate(others);

beforeEach(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), 'gauthify-'));
  letOthersSucceed();
  server = await GAuthifyTestServer.start({
    database: `sqlite:${join(folder, 'gauthify.sqlite')}`,
  });
});
afterEach(async () => {
  letOthersSucceed();
  await server.close();
  holdAll();
  fs.rmSync(folder, { recursive: true });
});

async function nextSynchronization() {
  while (synchronizing.length === 0)
    await new Promise((resolve) => setImmediate(resolve));
  return synchronizing.shift()!;
}

const checkOf = (user: any) =>
  call(server, 'POST', 'check/', {
    unique_id: user.unique_id,
    auth_code: server.totp(user.key),
  });

it('answers only once the write-ahead log is on the disk', async () => {
  const user = await createUser(server);
  holdAll();
  let isAnswered = false;
  const answer = checkOf(user).finally(() => (isAnswered = true));
  const done = await nextSynchronization();
  // Reads go on meanwhile.
  for (let i = 0; i < 3; i++)
    expect((await call(server, 'GET', 'users/')).status).toBe(200);
  expect(isAnswered).toBe(false);
  done(null);
  expect((await answer).body.data).toMatchObject({ authenticated: true });
});

it('answers 500 to every check of a commit that could not be synchronized, and accepts none of their codes again', async () => {
  const users = await Promise.all([createUser(server), createUser(server)]);
  holdAll();
  // At the same moment, so that they are one batch.
  const checks = server.app.get(CheckService);
  const outcomes = users.map(({ unique_id, key }) =>
    checks.check({
      owner: { realm: 'test', unique_id },
      origin: ORIGIN,
      code: server.totp(key),
    }),
  );
  const settled = Promise.allSettled(outcomes);
  const done = await nextSynchronization();
  done(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }));
  letOthersSucceed();
  const failed = {
    status: 'rejected',
    reason: expect.objectContaining({
      name: 'ServerError',
      message: 'The database could not be written to the disk',
    }),
  };
  expect(await settled).toEqual([failed, failed]);
  for (const user of users)
    expect((await checkOf(user)).body.data).toMatchObject({
      authenticated: false,
    });
});

it('leaves synchronizing to SQLite where there is no write-ahead log', async () => {
  const synchronous = async (url: string) => {
    const database = await openDatabase(url);
    const [row] = await database.unit((unit) =>
      unit.all<{ synchronous: number }>('pragma synchronous', []),
    );
    await database.close();
    return row!.synchronous;
  };
  // 2 is FULL, 1 is NORMAL.
  expect(await synchronous('sqlite::memory:')).toBe(2);
  expect(await synchronous(`sqlite:${join(folder, 'other.sqlite')}`)).toBe(1);
});
