import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../sample/running-sample.js';

const PROGRAM = resolve('dist/server/cli/main.js');
const KEY = 'k'.repeat(24);

let folder: string;
let child: ChildProcess | undefined;
let printed = '';

beforeEach(() => {
  if (!existsSync(PROGRAM)) throw new Error('Run `npm run build` first');
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true });
});

/** Resolves once the program has printed something like this. */
async function untilPrinted(pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const found = pattern.exec(printed);
    if (found) return found;
    await Promise.race([
      once(child!.stdout!, 'data'),
      once(child!.stderr!, 'data'),
    ]);
  }
}

async function start(
  environment: Record<string, string>,
  ready = /access point (\S+)\n.*\n.*\n/,
): Promise<string> {
  printed = '';
  child = spawn(process.execPath, [PROGRAM], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      GAUTHIFY_API_KEYS: `shop:${KEY}`,
      ...environment,
    },
  });
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (data) => (printed += String(data)));
  return (await untilPrinted(ready))[1]!;
}

async function post(url: string, params: Record<string, string>): Promise<any> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: KEY },
    body: new URLSearchParams(params),
  });
  return await response.json();
}

const JANE = {
  unique_id: 'jane',
  display_name: 'Jane',
  email: 'jane@example.com',
};

it('logs that an e-mail could not be delivered, without its address', async () => {
  const url = await start({
    SMTP_URL: `smtp://127.0.0.1:${await freePort()}`,
    MAIL_FROM: 'codes@example.com',
  });
  await post(`${url}users/`, JANE);
  const answer = await post(`${url}email/`, { unique_id: 'jane' });
  expect(answer.error_code).toBe('delivery_failed');
  const [line] = await untilPrinted(
    /^.*ERROR .*A code by email could not be delivered.*$/m,
  );
  expect(line).toContain(answer.request_id);
  expect(printed).not.toContain('jane');
  // Nest's own account of its start, and colours where nobody sees them.
  expect(printed).not.toMatch(/Mapped|RoutesResolver|Nest application|\u001b/);
});

it('logs a failure of the server under the request_id of its answer', async () => {
  const url = await start({});
  const other = new BetterSqlite3(join(folder, 'gauthify.sqlite'));
  other.exec('pragma foreign_keys = off; drop table users');
  other.close();
  const answer = await post(`${url}users/`, JANE);
  expect(answer).toMatchObject({ http_status: 500, error_code: '500' });
  expect(answer.error_message).toBe('The server failed');
  const [line] = await untilPrinted(/^.*ERROR .*request_id.*$/m);
  expect(line).toContain(answer.request_id);
});

it('logs that the meta of a user is damaged, without what is in it', async () => {
  const url = await start({});
  await post(`${url}users/`, JANE);
  const other = new BetterSqlite3(join(folder, 'gauthify.sqlite'));
  other.exec(`update users set meta = 'secret@example.com'`);
  other.close();
  const response = await fetch(`${url}users/jane/`, {
    headers: { authorization: KEY },
  });
  expect(await response.json()).toMatchObject({ error_code: '500' });
  await untilPrinted(/ERROR .*The meta of a user is not JSON/);
  expect(printed).not.toContain('secret@');
});

describe('with LOG_FORMAT=json', () => {
  const STARTED = /access point (http:\S+\/v1\/)".*\n.*Database .*\n/;
  const lines = (): any[] =>
    printed
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);

  it('writes nothing but JSON, a line for each request, and errors under the request_id of their answer', async () => {
    const url = await start({ LOG_FORMAT: 'json', LOG_LEVEL: 'info' }, STARTED);
    const { request_id } = await post(`${url}users/`, JANE);
    await untilPrinted(/"route":"\/v1\/users"/);
    expect(lines()).toContainEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      msg: 'request',
      request_id,
      realm: 'shop',
      method: 'POST',
      route: '/v1/users',
      status: 201,
      duration_ms: expect.any(Number),
    });
    const other = new BetterSqlite3(join(folder, 'gauthify.sqlite'));
    other.exec('pragma foreign_keys = off; drop table users');
    other.close();
    const failed = await post(`${url}users/`, JANE);
    await untilPrinted(/"status":500/);
    expect(lines()).toContainEqual(
      expect.objectContaining({
        level: 'error',
        context: 'GAuthifyServer',
        request_id: failed.request_id,
        msg: expect.stringMatching(/no such table/),
      }),
    );
    expect(printed).not.toMatch(/jane|Mapped|Nest application/i);
  });

  it('writes the lines of the start at every level, and no request below info', async () => {
    const url = await start(
      { LOG_FORMAT: 'json', LOG_LEVEL: 'error' },
      STARTED,
    );
    await post(`${url}users/`, JANE);
    await post(`${url}users/`, JANE);
    expect(lines().map(({ level }) => level)).toEqual(
      lines().map(() => 'info'),
    );
    expect(printed).not.toContain('/v1/users');
  });

  it('creates no API key, which would end up in the log', async () => {
    await start({ LOG_FORMAT: 'json', GAUTHIFY_API_KEYS: '' }, STARTED);
    await untilPrinted(
      /"warn".*There is no API key: run gauthify-server key create default/,
    );
    expect(printed).not.toMatch(/shown only this once|[A-Z2-7]{32}/);
  });
});

it('writes a line of text for each request with LOG_LEVEL=info', async () => {
  const url = await start({ LOG_LEVEL: 'info' });
  const { request_id } = await post(`${url}users/`, JANE);
  const [line] = await untilPrinted(/^.*POST \/v1\/users 201.*$/m);
  expect(line).toContain(`request_id ${request_id} realm shop`);
  expect(printed).not.toMatch(/Mapped|jane/);
});
