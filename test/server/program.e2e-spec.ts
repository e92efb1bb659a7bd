import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createPostgres, encryptionKeys } from '../helpers/postgres.js';

const PROGRAM = resolve('dist/server/cli/main.js');
const postgres = await createPostgres();
if (!postgres.url)
  process.stderr.write(`On PostgreSQL it is skipped: ${postgres.reason}\n`);

let folder: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  if (!existsSync(PROGRAM)) throw new Error('Run `npm run build` first');
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
});
afterEach(async () => {
  for (const child of running.splice(0))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  rmSync(folder, { recursive: true });
});

/** Runs the program; resolves with what it printed once it printed `until`, or ended. */
async function run(
  environment: Record<string, string>,
  until?: RegExp,
  args: string[] = [],
): Promise<{ output: string; errors: string; code: number | null }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, PORT: '0', ...environment },
  });
  running.push(child);
  let [output, errors] = ['', ''];
  child.stderr.on('data', (data) => (errors += String(data)));
  return await new Promise((done) => {
    child.stdout.on('data', (data) => {
      output += String(data);
      if (until?.test(output)) done({ output, errors, code: null });
    });
    child.on('close', (code) => done({ output, errors, code }));
  });
}

const READY = /access point (\S+)\n.*\n/;

it('starts without configuration, creates a key once, keeps it, and ends on SIGTERM', async () => {
  const first = await run({}, /shown only this once: (\S+)\n/);
  const key = /shown only this once: (\S+)/.exec(first.output)![1]!;
  expect(key).toMatch(/^[A-Z2-7]{32}$/);
  const get = (output: string) =>
    fetch(`${READY.exec(output)![1]}users/`, {
      headers: { authorization: key },
    });
  expect((await get(first.output)).status).toBe(200);
  for (const file of readdirSync(folder))
    expect([
      file,
      (statSync(join(folder, file)).mode & 0o777).toString(8),
    ]).toEqual([file, '600']);
  const [child] = running;
  child!.kill('SIGTERM');
  expect(await once(child!, 'exit')).toEqual([0, null]);

  expect(first.output).toMatch(
    /Encryption key in gauthify\.sqlite\.key: back it up, apart from the database/,
  );

  // Which driver it uses: Node 20 contains no SQLite.
  expect(first.output).toMatch(
    /^Database gauthify\.sqlite \((better-sqlite3|node:sqlite)\), new; e-mail by outbox/m,
  );

  const second = await run({}, /API keys exist .*\n/);
  expect(second.output).not.toContain(key);
  expect(second.output).toMatch(
    /API keys exist for realm default; a key is shown only once, when it is created\. If it is lost, .*gauthify-server key create default\n/,
  );
  expect(second.output).not.toContain(', new');
  expect((await get(second.output)).status).toBe(200);
});

(postgres.url ? it : it.skip)(
  'starts on PostgreSQL, which needs keys, without printing its password',
  async () => {
    const DATABASE_URL = postgres.url!;
    const { errors, code } = await run({ DATABASE_URL });
    expect([errors, code]).toEqual([
      expect.stringMatching(/GAUTHIFY_ENCRYPTION_KEYS/),
      1,
    ]);
    const [{ id, key }] = encryptionKeys() as [{ id: string; key: string }];
    const { output } = await run(
      { DATABASE_URL, GAUTHIFY_ENCRYPTION_KEYS: `${id}:${key}` },
      /shown only this once: (\S+)\n/,
    );
    const { password, host, pathname } = new URL(DATABASE_URL);
    expect(output).toContain(`Database PostgreSQL at ${host}${pathname};`);
    expect(output + errors).not.toContain(password);
  },
  60_000,
);

it('uses the keys of the environment, and creates none', async () => {
  const key = 'k'.repeat(24);
  const { output, errors } = await run(
    {
      GAUTHIFY_API_KEYS: `shop:${key}`,
      DATABASE_URL: 'sqlite::memory:',
      GAUTHIFY_KEEP_QR: 'true',
    },
    READY,
  );
  expect(output).not.toContain(key);
  // A misspelled variable is not silently ignored.
  expect(errors).toBe(
    'gauthify-server: warning: GAUTHIFY_KEEP_QR is not a variable of the server, and is ignored; did you mean GAUTHIFY_KEEP_QR_URL?\n',
  );
  const users = await fetch(`${READY.exec(output)![1]}users`, {
    headers: { authorization: key },
  });
  expect(users.status).toBe(200);
});

it('shares answers to idempotency keys between two programs on one database', async () => {
  const key = 'k'.repeat(24);
  const environment = { GAUTHIFY_API_KEYS: `shop:${key}` };
  const urls: string[] = [];
  for (let i = 0; i < 2; i++) {
    const { output } = await run(environment, READY);
    urls.push(READY.exec(output)![1]!);
  }
  const post = async (
    program: number,
    idempotencyKey: string,
    path: string,
  ) => {
    const response = await fetch(urls[program % 2]! + path, {
      method: 'POST',
      headers: { authorization: key, 'idempotency-key': idempotencyKey },
      body: new URLSearchParams({
        unique_id: 'jane',
        display_name: 'Jane',
        email: 'jane@example.com',
      }),
    });
    const { data } = (await response.json()) as { data: { key: string } };
    const scope = response.headers.get('idempotency-scope');
    return { status: response.status, scope, secret: data.key };
  };
  const many = (idempotencyKey: string, path: string) =>
    Promise.all(
      Array.from({ length: 20 }, (_, i) => post(i, idempotencyKey, path)),
    );
  const made = await many('create', 'users/');
  expect(new Set(made.map((it) => JSON.stringify(it))).size).toBe(1);
  expect(made[0]).toMatchObject({ status: 201, scope: expect.any(String) });
  // A second e-mail within 30 seconds is refused: these are all one.
  const sent = await many('send', 'email/');
  expect(sent.map(({ status }) => status)).toEqual(Array(20).fill(200));
  const outboxes = await Promise.all(
    urls.map(async (url) => {
      const response = await fetch(`${url}outbox/`, {
        headers: { authorization: key },
      });
      return ((await response.json()) as { data: unknown[] }).data.length;
    }),
  );
  expect(outboxes[0]! + outboxes[1]!).toBe(1);
});

it('starts four times at once on a database that does not exist yet', async () => {
  const environment = { GAUTHIFY_API_KEYS: `shop:${'k'.repeat(24)}` };
  const started = await Promise.all(
    Array.from({ length: 4 }, () => run(environment, READY)),
  );
  expect(started.map(({ errors }) => errors)).toEqual(['', '', '', '']);
});

it('says in one sentence that the port is in use, and exits with 1', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  try {
    const { errors, code } = await run({ PORT: String(port) });
    expect(errors).toBe(
      `gauthify-server: PORT ${port} is in use: stop the program that listens there, or set another PORT\n`,
    );
    expect(code).toBe(1);
  } finally {
    other.close();
  }
});

it.each([
  [{ PORT: 'x' }, /^gauthify-server: PORT must be [^\n]+\n$/],
  [
    { HOST: '203.0.113.7' },
    /^gauthify-server: HOST must be an address of this machine, but is "203\.0\.113\.7"\n$/,
  ],
  [
    { DATABASE_URL: 'sqlite:no/such/folder.sqlite' },
    /^gauthify-server: DATABASE_URL: [^\n]+\n$/,
  ],
])(
  'says in one sentence what is wrong with %j',
  async (environment, sentence) => {
    const { errors, output, code } = await run(environment);
    expect(errors).toMatch(sentence);
    expect(output).toBe('');
    expect(code).toBe(1);
  },
);

it('lists its environment variables with --help', async () => {
  const { output, errors, code } = await run({}, undefined, ['--help']);
  expect(output).toMatch(/^Usage: gauthify-server /);
  // All variables that it reads.
  for (const file of ['environment', 'program-environment'])
    for (const [name] of readFileSync(
      `lib/server/settings/${file}.ts`,
      'utf8',
    ).matchAll(/(?<=env\.|')[A-Z_]{2,}/g))
      expect(output).toContain(name);
  expect([errors, code]).toEqual(['', 0]);
  expect(readdirSync(folder)).toEqual([]);
});

it('prints its version', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    version: string;
  };
  const { output, code } = await run({}, undefined, ['--version']);
  expect([output, code]).toEqual([`${version}\n`, 0]);
});

it.each(['--port=5000', 'start'])(
  'refuses the argument %s',
  async (argument) => {
    const { output, errors, code } = await run({}, undefined, [argument]);
    expect(errors).toMatch(
      /^gauthify-server: (unknown option '--port=5000'|there is no command start)\nSee gauthify-server (serve )?--help\n+$/,
    );
    expect([output, code]).toEqual(['', 2]);
  },
);
