import 'reflect-metadata';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { openDatabase } from '../../lib/server/store/open-database.js';
import {
  loadSqliteDriver,
  type SqliteConnection,
} from '../../lib/server/store/sqlite-driver.js';
import { call, check, createUser } from '../helpers/api.js';

const PROGRAM = resolve('dist/server/cli/main.js');

let folder: string;
let file: string;
let database: string;
let server: GAuthifyTestServer | undefined;
let connection: SqliteConnection | undefined;
const running: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  file = join(folder, 'gauthify.sqlite');
  database = `sqlite:${file}`;
});
afterEach(async () => {
  connection?.close();
  await server?.close();
  connection = server = undefined;
  for (const child of running.splice(0)) await kill(child);
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A connection of another program. */
const connect = async () =>
  (connection = (await loadSqliteDriver()).open(file, false));

const ENVELOPE = {
  error_code: '500',
  http_status: 500,
  error_message: expect.not.stringContaining('gauthify.sqlite'),
  request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
};

describe('while another program holds the lock', () => {
  it('reads are answered at once, checks get a 500 after 4 s, and all works again afterwards', async () => {
    const one = (server = await GAuthifyTestServer.start({ database }));
    const users = [await createUser(one), await createUser(one)];
    (await connect()).exec('begin immediate');
    const before = performance.now();
    const elapsed = () => performance.now() - before;
    // Two of one user: the second must not begin to wait when the first ends.
    const checks = [...users, users[0]].map((user) =>
      call(one, 'POST', 'check/', {
        unique_id: user.unique_id,
        auth_code: one.totp(user.key),
      }),
    );
    const created = call(one, 'POST', 'users/', {
      unique_id: 'waiting',
      display_name: 'Waiting',
    });
    for (const path of ['errors/', 'users/', `users/${users[1].unique_id}/`])
      expect((await call(one, 'GET', path)).status).toBe(200);
    expect(elapsed()).toBeLessThan(2000);
    for (const { status, body } of await Promise.all([...checks, created])) {
      expect(status).toBe(500);
      expect(body).toMatchObject({
        ...ENVELOPE,
        error_message:
          'The database is in use by another program: try again later',
      });
    }
    expect(elapsed()).toBeGreaterThan(3000);
    // 4 s, and what a busy machine adds; 8 s if one began to wait after another.
    expect(elapsed()).toBeLessThan(6000);
    connection!.exec('rollback');
    for (const { unique_id, key } of users)
      expect(await check(one, unique_id, one.totp(key))).toMatchObject({
        authenticated: true,
      });
    expect((await call(one, 'GET', 'users/waiting/')).status).toBe(404);
  });

  it('a check goes through if the lock is released in time', async () => {
    const one = (server = await GAuthifyTestServer.start({ database }));
    const user = await createUser(one);
    (await connect()).exec('begin immediate');
    const answer = check(one, user.unique_id, one.totp(user.key));
    // Answered although the check waits.
    expect((await call(one, 'GET', 'users/')).status).toBe(200);
    connection!.exec('commit');
    expect(await answer).toMatchObject({ authenticated: true });
  });
});

/** The program on the file; resolves once it listens. */
async function startProgram(
  apiKey: string,
  shell = 'exec "$0" "$1"',
): Promise<{ one: GAuthifyTestServer; child: ChildProcess }> {
  if (!existsSync(PROGRAM)) throw new Error('Run `npm run build` first');
  const child = spawn('bash', ['-c', shell, process.execPath, PROGRAM], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATABASE_URL: database,
      GAUTHIFY_API_KEYS: `shop:${apiKey}`,
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  running.push(child);
  let output = '';
  const accessPoint = await new Promise<string>((done, fail) => {
    child.on('exit', () => fail(new Error(`The program ended: ${output}`)));
    child.stdout.on('data', (data) => {
      output += String(data);
      const found = /access point (\S+)\n/.exec(output)?.[1];
      if (found) done(found);
    });
  });
  return { one: { accessPoint, apiKey } as GAuthifyTestServer, child };
}

describe('a full disk', () => {
  const create = (one: GAuthifyTestServer, name: string) =>
    call(one, 'POST', 'users/', {
      unique_id: name,
      display_name: name,
      meta: JSON.stringify({ text: 'x'.repeat(7000) }),
    });

  /** Sends many at once, which share commits; some fail, and each of those told so did nothing. */
  async function fillUp(one: GAuthifyTestServer, prefix: string, many: number) {
    const names = Array.from({ length: many }, (_, i) => `${prefix}${i}`);
    const answers = await Promise.all(names.map((name) => create(one, name)));
    for (const [i, { status, body }] of answers.entries()) {
      if (status !== 201) expect(body).toMatchObject(ENVELOPE);
      const found = await call(one, 'GET', `users/${names[i]}/`);
      expect([names[i], found.status]).toEqual([
        names[i],
        status === 201 ? 200 : 404,
      ]);
    }
    return names.filter((_, i) => answers[i]!.status !== 201);
  }

  it('fails in a statement: every request of the shared commit is told, none is half-done, and all works once there is space', async () => {
    const one = (server = await GAuthifyTestServer.start({ database }));
    const user = await createUser(one);
    const db = one.app.get<Database>(DATABASE);
    const limit = (pages: number) =>
      db.unit((unit) => unit.all(`pragma max_page_count = ${pages}`, []));
    // SQLite takes the size of now for a limit that is too small.
    await limit(1);
    const failed = await fillUp(one, 'full-', 40);
    expect(failed.length).toBeGreaterThan(0);
    expect((await call(one, 'GET', 'errors/')).status).toBe(200);
    await limit(1_000_000);
    for (const name of failed)
      expect((await create(one, name)).status).toBe(201);
    expect(await check(one, user.unique_id, one.totp(user.key))).toMatchObject({
      authenticated: true,
    });
  });

  it('fails in the commit: likewise', async () => {
    // A limit of the size of files, in KiB: the write-ahead log reaches it.
    const { one, child } = await startProgram(
      'k'.repeat(24),
      `trap '' XFSZ; ulimit -S -f 600; exec "$0" "$1"`,
    );
    const failed: string[] = [];
    for (let round = 0; failed.length === 0 && round < 10; round++)
      failed.push(...(await fillUp(one, `round-${round}-`, 20)));
    expect(failed.length).toBeGreaterThan(0);
    execFileSync('prlimit', ['--pid', `${child.pid}`, '--fsize=unlimited']);
    for (const name of failed)
      expect((await create(one, name)).status).toBe(201);
  });
});

describe('at start', () => {
  /** Opens the file as a user who is not root: root may write everything. */
  async function openAsUser(): Promise<Database> {
    await (await openDatabase('sqlite::memory:')).close();
    const isRoot = process.getuid!() === 0;
    if (isRoot) process.seteuid!(65534);
    try {
      return await openDatabase(database);
    } finally {
      if (isRoot) process.seteuid!(0);
    }
  }

  const UNWRITABLE = {
    name: 'StartError',
    message: expect.stringMatching(
      /^Option database: \S+ could not be opened: .+; give a file that this user may write, in a folder that exists$/,
    ),
  };

  it('a file that may not be written stops it', async () => {
    await (await openDatabase(database)).close();
    chmodSync(folder, 0o777);
    chmodSync(file, 0o444);
    await expect(openAsUser()).rejects.toMatchObject(UNWRITABLE);
  });

  it('a folder that may not be written stops it, with and without the file', async () => {
    chmodSync(folder, 0o555);
    await expect(openAsUser()).rejects.toMatchObject(UNWRITABLE);
    chmodSync(folder, 0o755);
    await (await openDatabase(database)).close();
    chmodSync(file, 0o666);
    chmodSync(folder, 0o555);
    await expect(openAsUser()).rejects.toMatchObject(UNWRITABLE);
  });

  const DAMAGED = {
    name: 'StartError',
    message: expect.stringMatching(/damaged.*restore it from a backup/),
  };

  it('a file that is no database, or a damaged one, stops it', async () => {
    writeFileSync(file, 'x'.repeat(4096));
    await expect(openDatabase(database)).rejects.toMatchObject(DAMAGED);
    rmSync(file);
    await (await openDatabase(database)).close();
    // Half a file, as a copy that was broken off.
    truncateSync(file, statSync(file).size / 2);
    await expect(openDatabase(database)).rejects.toMatchObject(DAMAGED);
  });

  it('a link to a file elsewhere works, and so does a name that looks like a URI', async () => {
    await (await openDatabase(database)).close();
    const link = join(folder, 'link');
    symlinkSync(file, link);
    const db = await openDatabase(`sqlite:${link}`);
    await db.unit((unit) => unit.run('delete from sends', []));
    await db.close();
    const before = process.cwd();
    process.chdir(folder);
    try {
      const odd = await openDatabase('sqlite:file:odd?mode=memory');
      await odd.close();
    } finally {
      process.chdir(before);
    }
    expect(existsSync(join(folder, 'file:odd?mode=memory'))).toBe(true);
  });
});

it('closes after the units that wait', async () => {
  const db = await openDatabase(database);
  const units = Array.from({ length: 100 }, (_, i) =>
    db.unit(async (unit) => {
      await unit.run('insert into sends values (?, 1, 1)', [`s${i}`]);
      return i;
    }),
  );
  await db.close();
  expect(await Promise.all(units)).toHaveLength(100);
  await expect(db.unit(async () => 1)).rejects.toThrow();
});

it('answers 500 where the file is damaged while it runs, and does not end', async () => {
  const one = (server = await GAuthifyTestServer.start({ database }));
  for (let i = 0; i < 30; i++) await createUser(one, { meta: '{"a":1}' });
  const user = await createUser(one);
  (await connect()).prepare('pragma wal_checkpoint(TRUNCATE)').all([]);
  const { size } = statSync(file);
  const damaged = openSync(file, 'r+');
  writeSync(damaged, Buffer.alloc(size - 4096, 0xff), 0, size - 4096, 4096);
  closeSync(damaged);
  // A commit makes the connection that reads look at the file again.
  await call(one, 'POST', 'users/', { unique_id: 'x', display_name: 'X' });
  for (const path of ['users/', `users/${user.unique_id}/`])
    expect(await call(one, 'GET', path)).toMatchObject({
      status: 500,
      body: ENVELOPE,
    });
  expect((await call(one, 'GET', 'errors/')).status).toBe(200);
});

it('kill -9 under load: no accepted code is accepted again, and no answered user is missing', async () => {
  const apiKey = 'k'.repeat(24);
  const users: string[] = [];
  const accepted: { unique_id: string; auth_code: string }[] = [];
  for (let round = 0; round < 3; round++) {
    const { one, child } = await startProgram(apiKey);
    const isAlive = { yes: true };
    const goal = accepted.length + 60;
    const worker = async (id: number) => {
      for (let i = 0; isAlive.yes; i++) {
        const unique_id = `r${round}-w${id}-${i}`;
        const made = await call(one, 'POST', 'users/', {
          unique_id,
          display_name: unique_id,
        });
        users.push(unique_id);
        const auth_code = made.body.data.otp;
        const answer = await call(one, 'POST', 'check/', {
          unique_id,
          auth_code,
        });
        expect(answer.body.data.authenticated).toBe(true);
        accepted.push({ unique_id, auth_code });
        if (accepted.length < goal) continue;
        // While the requests of the other workers are under way.
        isAlive.yes = false;
        child.kill('SIGKILL');
      }
    };
    const workers = Array.from({ length: 8 }, (_, id) =>
      worker(id).catch((error: unknown) => {
        if (isAlive.yes) throw error;
      }),
    );
    await Promise.all(workers);
    await kill(child);
  }
  const { one } = await startProgram(apiKey);
  const listed = await call(one, 'GET', 'users/');
  const there = new Set(listed.body.data.map((user: any) => user.unique_id));
  expect(users.filter((id) => !there.has(id))).toEqual([]);
  const again = await Promise.all(
    accepted.map(({ unique_id, auth_code }) =>
      check(one, unique_id, auth_code),
    ),
  );
  expect(again.map(({ authenticated }) => authenticated)).toEqual(
    accepted.map(() => false),
  );
}, 120_000);
