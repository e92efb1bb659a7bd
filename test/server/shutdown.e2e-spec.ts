import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MailServer } from '../helpers/mail-server.js';

const PROGRAM = resolve('dist/server/cli/main.js');
const KEY = 'k'.repeat(24);

let folder: string;
let child: ChildProcess;
let mailServer: MailServer;
/** What lets the mail server say that it has taken each mail. */
let receipts: (() => void)[];
let printed: string;

beforeEach(async () => {
  if (!existsSync(PROGRAM)) throw new Error('Run `npm run build` first');
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  receipts = [];
  mailServer = await MailServer.start(undefined, (_server, done) =>
    receipts.push(done),
  );
});
afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await mailServer.close();
  rmSync(folder, { recursive: true });
});

async function start(environment: Record<string, string>): Promise<string> {
  printed = '';
  child = spawn(process.execPath, [PROGRAM], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      GAUTHIFY_API_KEYS: `shop:${KEY}`,
      SMTP_URL: mailServer.url,
      MAIL_FROM: 'codes@example.com',
      ...environment,
    },
  });
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (data) => (printed += String(data)));
  const pattern = /access point http:\/\/127\.0\.0\.1:(\d+)\/v1\/\n.*\n/;
  while (!pattern.test(printed)) await once(child.stdout!, 'data');
  return pattern.exec(printed)![1]!;
}

/** Over a connection of its own. @returns the status, or the code of the error */
async function call(
  port: string,
  path: string,
  params?: Record<string, string>,
): Promise<number | string> {
  const sent = request({
    port,
    host: '127.0.0.1',
    path,
    agent: false,
    method: params ? 'POST' : 'GET',
    headers: {
      authorization: KEY,
      'content-type': 'application/x-www-form-urlencoded',
    },
  });
  sent.end(params && new URLSearchParams(params).toString());
  try {
    const [response] = await once(sent, 'response');
    response.resume();
    await once(response, 'end');
    return response.statusCode as number;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!;
  }
}

/** Waits for a condition; a test that never sees it ends with a sentence. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await isSo())) {
    if (Date.now() > deadline)
      throw new Error(`Not so in time: ${String(isSo)}`);
    await new Promise(setImmediate);
  }
}

const create = (port: string, unique_id: string) =>
  call(port, '/v1/users/', {
    unique_id,
    display_name: unique_id,
    email: `${unique_id}@example.com`,
  });

/** Begins to send a code to each of several users; resolves once the mail server has all mails, and before it says so. */
async function sendSlowly(
  port: string,
  users: readonly string[],
): Promise<Promise<number | string>[]> {
  for (const user of users) expect(await create(port, user)).toBe(201);
  const sent = users.map((unique_id) =>
    call(port, '/v1/email/', { unique_id }),
  );
  await until(() => receipts.length === users.length);
  return sent;
}

it('answers every request that it accepted, and is not ready meanwhile', async () => {
  const port = await start({
    SHUTDOWN_DELAY_SECONDS: '1',
    SHUTDOWN_TIMEOUT_SECONDS: '20',
    LOG_LEVEL: 'info',
  });
  const users = Array.from({ length: 8 }, (_, i) => `user-${i}`);
  const sent = await sendSlowly(port, users);
  expect(await call(port, '/healthz/ready')).toBe(200);

  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  // A load of checks, which goes on until nothing listens any more.
  const statuses: (number | string)[] = [];
  const readiness: (number | string)[] = [];
  const load = async (unique_id: string) => {
    for (;;) {
      const status = await call(port, '/v1/check/', {
        unique_id,
        auth_code: '000000',
      });
      statuses.push(status);
      if (status === 'ECONNREFUSED') return;
    }
  };
  const probe = async () => {
    for (;;) {
      const status = await call(port, '/healthz/ready');
      readiness.push(status);
      if (status === 'ECONNREFUSED') return;
    }
  };
  await Promise.all([...users.map(load), probe()]);
  // Not ready from the signal on, while it still listened; the first probe may have come before the signal.
  expect(readiness).toContain(503);
  expect(readiness.slice(readiness.indexOf(503))).not.toContain(200);
  // Each check was answered: 200, or 402 after five wrong codes.
  const answered = statuses.filter((status) => typeof status === 'number');
  expect([...new Set(answered)].sort()).toEqual([200, 402]);
  expect(answered.length).toBeGreaterThan(users.length * 5);

  // Nothing listens, and the sends are still waited for.
  expect(child.exitCode).toBeNull();
  for (const done of receipts) done();
  expect(await Promise.all(sent)).toEqual(users.map(() => 200));
  expect(await exited).toEqual([0, null]);
  expect(printed).toMatch(/^SIGTERM: finishing the requests.*\n[^]*^Ended$/m);
  // None that the server saw was cut off: that would be a 499 in its log, and one answer less.
  const logged = printed.match(/POST \/v1\/check \d+/g);
  expect(new Set(logged)).toEqual(
    new Set(['POST /v1/check 200', 'POST /v1/check 402']),
  );
  expect(logged).toHaveLength(answered.length);
}, 60_000);

it('finishes a message whose client hung up, so that its repetition gets the answer', async () => {
  const send = (port: string) => {
    const sent = request({
      port,
      host: '127.0.0.1',
      path: '/v1/email/?unique_id=jane',
      agent: false,
      method: 'POST',
      headers: { authorization: KEY, 'idempotency-key': 'one' },
    });
    sent.on('error', () => undefined);
    sent.end();
    return sent;
  };
  const port = await start({});
  expect(await create(port, 'jane')).toBe(201);
  const aborted = send(port);
  await until(() => receipts.length === 1);
  aborted.destroy();
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await until(
    async () => (await call(port, '/healthz/live')) === 'ECONNREFUSED',
  );
  receipts[0]!();
  expect(await exited).toEqual([0, null]);
  const [response] = await once(send(await start({})), 'response');
  response.resume();
  expect(response.statusCode).toBe(200);
  expect(mailServer.mails).toHaveLength(1);
});

it('cuts off what takes longer than the time it was given, and exits with 1', async () => {
  const port = await start({ SHUTDOWN_TIMEOUT_SECONDS: '1' });
  const sent = await sendSlowly(port, ['jane']);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([1, null]);
  expect(await Promise.all(sent)).toEqual(['ECONNRESET']);
  expect(printed).toMatch(
    /ERROR .*Not all requests ended within 1 s: they are cut off/,
  );
});

it('ends at once on a second signal', async () => {
  const port = await start({ SHUTDOWN_DELAY_SECONDS: '600' });
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  await until(async () => (await call(port, '/healthz/ready')) === 503);
  child.kill('SIGINT');
  expect(await exited).toEqual([1, null]);
});

it('does not wait for connections that have nothing to say', async () => {
  const port = await start({});
  const agent = new Agent({ keepAlive: true });
  const sent = request({ port, host: '127.0.0.1', path: '/', agent });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  await once(response, 'end');
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  agent.destroy();
});
