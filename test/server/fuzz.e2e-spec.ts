import 'reflect-metadata';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { Pool } from 'undici';
import { ERROR_CODES } from '../../lib/contract/error-codes.js';

/** Requests in total; `.ci/run` sets 100,000. A failure prints the seed and the smallest case that fails. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 1500);
/** The seed that a failure printed, to run it again. */
const SEED = process.env.FUZZ_SEED
  ? { seed: Number(process.env.FUZZ_SEED) }
  : {};
/** Requests of one case, sent at the same time. */
const AT_ONCE = 10;
const TIMEOUT_MS = 60_000 + RUNS * 20;

let server: GAuthifyTestServer;
let pool: Pool;
let sent = 0;
const logged: string[] = [];
const users = ['jane', 'jürgen', 'a/b', '100%', '💥', '..x'];
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
  // What a 500 came from is in the log alone.
  const nothing = () => undefined;
  Logger.overrideLogger({
    log: nothing,
    warn: nothing,
    error: (message: string) => logged.push(message),
  });
  pool = new Pool(new URL(server.accessPoint).origin, { connections: AT_ONCE });
});
afterAll(async () => {
  await pool.close();
  await server.close();
  process.stdout.write(`fuzz: ${sent} requests\n`);
});

interface Request {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer | undefined;
}

async function send({ method, path, headers, body }: Request) {
  sent += 1;
  const response = await pool.request({
    method: method,
    path,
    headers: { authorization: server.apiKey, ...headers },
    body: body ?? null,
  });
  return { status: response.statusCode, text: await response.body.text() };
}

/** Not `expect`, which would take a third of the time of 100,000 requests. */
function must(condition: boolean, what: string, answer: string): void {
  if (!condition) throw new Error(`Not ${what}: ${answer.slice(0, 2000)}`);
}

/** The answer to any request: the envelope, with an error that is documented and none of the server's making. */
function expectEnvelope(method: string, status: number, text: string): any {
  must(
    status < 500,
    'a status below 500',
    `${status} ${text} ${logged.at(-1)}`,
  );
  if (method === 'HEAD') return undefined;
  const body = JSON.parse(text);
  must(/^[0-9a-f]{32}$/.test(body.request_id), 'with a request_id', text);
  must(/^\d{4}-.*Z$/.test(body.server_time), 'with a server_time', text);
  if ('data' in body) must([200, 201].includes(status), 'a success', text);
  else {
    must(
      [401, 402, 404, 406, 409].includes(status),
      'a documented status',
      text,
    );
    must(body.http_status === status, `with http_status ${status}`, text);
    must(
      Object.hasOwn(ERROR_CODES, body.error_code),
      'a documented code',
      text,
    );
    must(
      typeof body.error_message === 'string' &&
        !/node_modules|\.[jt]s:\d+|\n +at |sqlite/i.test(body.error_message),
      'a message for the caller',
      text,
    );
  }
  return body;
}

const text = fc.string({ unit: 'binary', maxLength: 20 });
const latin1 = fc.stringMatching(/^[\t -~\u0080-\u00ff]{0,20}$/);
const odd = fc.constantFrom(
  '',
  '.',
  '..',
  '%',
  '%00',
  '\u0000',
  '\u2028',
  '\ud800',
  '__proto__',
  'constructor',
  'x'.repeat(256),
  '9'.repeat(400),
);
const id = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...users) },
  { weight: 1, arbitrary: text },
  { weight: 1, arbitrary: odd },
);
const inPath = fc.oneof(
  {
    weight: 5,
    arbitrary: id.map((it) => encodeURIComponent(it.toWellFormed())),
  },
  {
    weight: 1,
    arbitrary: fc.stringMatching(/^[!"$-~\u0080-\u00ff%]{0,20}$/),
  },
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  id,
  odd,
  text,
  fc.constantFrom(
    'jane@example.com',
    '+14155552671',
    '000000',
    '12345678',
    'ABCDE-FGHJK',
    'totp',
    'SHA256',
    'true',
    8,
    60,
    '{"a":{"b":[1]}}',
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.double(),
);
const NAMES = [
  'unique_id',
  'display_name',
  'email',
  'sms_number',
  'voice_number',
  'meta',
  'auth_code',
  'otp',
  'token',
  'kind',
  'name',
  'algorithm',
  'digits',
  'period',
  'reset_key',
  'keep_enrolled',
  'unless_enrolled',
  'page',
  'page_size',
  'after',
  'api_key',
];
const params = fc.dictionary(
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...NAMES) },
    { weight: 1, arbitrary: fc.oneof(text, odd) },
  ),
  value,
  { maxKeys: 6 },
);
/** An object may have a `toString` of its own that is no function. */
const toText = (it: unknown) =>
  typeof it === 'string' ? it : JSON.stringify(it);
const toForm = (fields: Record<string, unknown>) =>
  Object.entries(fields)
    .map((pair) =>
      pair.map((it) => encodeURIComponent(toText(it).toWellFormed())).join('='),
    )
    .join('&');
const form = params.map(toForm);
const json = params.map((fields) => JSON.stringify(fields));
const bytes = fc.uint8Array({ maxLength: 60 }).map((it) => Buffer.from(it));

const path = fc
  .tuple(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom('users', 'check', 'token', 'email'),
      },
      { weight: 2, arbitrary: fc.constantFrom('sms', 'voice', 'errors') },
      {
        weight: 6,
        arbitrary: inPath.map((user) => `users/${user}`),
      },
      {
        weight: 6,
        arbitrary: fc
          .tuple(
            inPath,
            fc.constantFrom('factors', 'recovery_codes', 'unlock', 'x'),
          )
          .map(([user, rest]) => `users/${user}/${rest}`),
      },
      {
        weight: 2,
        arbitrary: fc
          .tuple(inPath, inPath)
          .map(([user, factor]) => `users/${user}/factors/${factor}`),
      },
      { weight: 1, arbitrary: inPath },
    ),
    fc.constantFrom('', '/', '//'),
    fc.oneof(
      fc.constant(''),
      form.map((it) => `?${it}`),
      fc.stringMatching(/^\?[!"$-~\u0080-\u00ff]{0,20}$/),
    ),
  )
  .map(([route, slash, query]) => `/v1/${route}${slash}${query}`);

const headers = fc.record(
  {
    'idempotency-key': fc.oneof(fc.constantFrom('1', '2', '3'), latin1),
    authorization: latin1,
    'content-type': fc.oneof(
      fc.constantFrom(
        'application/json',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'text/plain',
      ),
      latin1,
    ),
    accept: latin1,
    'x-odd': latin1,
  },
  { requiredKeys: [] },
);

const request: fc.Arbitrary<Request> = fc
  .record({
    method: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom('HEAD', 'PATCH', 'OPTIONS', 'PROPFIND'),
      },
    ),
    path,
    headers: fc.oneof(
      { weight: 1, arbitrary: headers },
      // With a key that opens, most of the time.
      {
        weight: 3,
        arbitrary: headers.map(({ authorization: _, ...rest }) => rest),
      },
    ),
    body: fc.oneof(json, form, bytes, fc.constant(undefined)),
  })
  .map((one) => ({
    ...one,
    headers: one.headers,
    // GET with a body: some clients do that.
    body: one.method === 'HEAD' ? undefined : one.body,
  }));

/** Users with other names would make `GET users/` slower and slower. */
async function deleteOthers(bodies: any[]): Promise<void> {
  for (const body of bodies) {
    const made = body?.data?.unique_id;
    if (typeof made === 'string' && !users.includes(made))
      await send({
        method: 'DELETE',
        path: `/v1/users/${encodeURIComponent(made)}`,
      });
  }
}

async function createUsers(): Promise<void> {
  for (const unique_id of users)
    await send({
      method: 'POST',
      path: '/v1/users/',
      body: JSON.stringify({ unique_id, display_name: unique_id }),
    });
}

it(
  'any request: never a 5xx, always the envelope, never a stack trace',
  async () => {
    let cases = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: AT_ONCE, maxLength: AT_ONCE }),
        async (requests) => {
          if (cases++ % 20 === 0) await createUsers();
          const answers = await Promise.all(requests.map(send));
          await deleteOthers(
            answers.map(({ status, text: body }, i) =>
              expectEnvelope(requests[i]!.method, status, body),
            ),
          );
        },
      ),
      {
        numRuns: Math.ceil((RUNS * 0.8) / AT_ONCE),
        endOnFailure: true,
        ...SEED,
      },
    );
  },
  TIMEOUT_MS,
);

/** Sends bytes, and ends the connection. */
async function sendBytes(all: Buffer): Promise<string> {
  sent += 1;
  const socket = connect(Number(new URL(server.accessPoint).port), '127.0.0.1');
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (data) => (answer += data.toString('latin1')));
  socket.end(all);
  await once(socket, 'close');
  return answer;
}

it(
  'any bytes: never a 5xx, and the envelope if there is an answer',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        request,
        bytes,
        fc.nat(),
        fc.nat(30),
        async ({ method, path: url, headers: fields, body }, junk, at, cut) => {
          const content = Buffer.from(body ?? '');
          const head = [
            `${method} ${url} HTTP/1.1`,
            'Connection: close',
            `Content-Length: ${content.length}`,
            ...Object.entries({ authorization: server.apiKey, ...fields }).map(
              ([name, field]) => `${name}: ${field}`,
            ),
            '\r\n',
          ].join('\r\n');
          const whole = Buffer.concat([Buffer.from(head, 'latin1'), content]);
          const position = at % (whole.length + 1);
          // Some bytes are replaced by others.
          const asked = Buffer.concat([
            whole.subarray(0, position),
            junk,
            whole.subarray(position + cut),
          ]);
          const answer = await sendBytes(asked);
          if (answer === '') return;
          const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
          expect(status).toBeGreaterThanOrEqual(200);
          expect(status).toBeLessThan(500);
          const isHead = /^[\r\n]*HEAD /.test(asked.toString('latin1'));
          const isPage = /^content-type: text\/html/im.test(answer);
          // Bytes after a request that are none break a list off.
          // A list of HTTP/1.0 has no chunks, and ends with the connection.
          const isChunked = /^transfer-encoding: chunked/im.test(answer);
          const isList = isChunked || !/^content-length:/im.test(answer);
          const isBrokenOff =
            isList && !answer.endsWith(isChunked ? '\r\n0\r\n\r\n' : '"}');
          if (!isHead && !isPage && !isBrokenOff)
            expect(answer).toMatch(/"request_id":"[0-9a-f]{32}"/);
          expect(answer).not.toMatch(/node_modules|\n +at /);
        },
      ),
      { numRuns: Math.ceil(RUNS * 0.1), endOnFailure: true, ...SEED },
    );
  },
  TIMEOUT_MS,
);

/** What a user is, as a site knows it. */
interface Model {
  display_name: string;
  email: string | null;
  sms_number: string | null;
  voice_number: string | null;
  meta: unknown;
  factors: (string | null)[];
}

const goodText = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 60 })
  .filter(
    (it) =>
      it.isWellFormed() && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(it),
  );
const goodId = fc.oneof(
  fc.constantFrom('m1', 'm2', 'm/3', 'm%4', 'ｍ5 +&=?#'),
  goodText.filter((it) => it !== '.' && it !== '..'),
);
const details = {
  email: fc.option(
    fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/).map((it) => `${it}@example.com`),
  ),
  sms_number: fc.option(
    fc.nat(9999).map((it) => `+1415555${String(it).padStart(4, '0')}`),
  ),
  voice_number: fc.option(
    fc.nat(9999).map((it) => `+1415556${String(it).padStart(4, '0')}`),
  ),
  meta: fc.option(
    fc
      .dictionary(
        fc
          .string()
          .filter(
            (it) => !['__proto__', 'constructor', 'prototype'].includes(it),
          ),
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.integer(),
          fc.boolean(),
          fc.constant(null),
          fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
        ),
        { maxKeys: 4, noNullPrototype: true },
      )
      // As JSON has it: without -0, and with surrogates as JSON writes them.
      .map((it) => JSON.parse(JSON.stringify(it)) as Record<string, unknown>),
  ),
};
const step = fc.oneof(
  fc.record({
    op: fc.constant('create' as const),
    id: goodId,
    fields: fc.record(
      { display_name: goodText, ...details },
      { requiredKeys: ['display_name'] },
    ),
  }),
  fc.record({
    op: fc.constant('update' as const),
    id: goodId,
    fields: fc.record(
      { display_name: goodText, ...details },
      { requiredKeys: [] },
    ),
  }),
  fc.record({
    op: fc.constantFrom('get' as const, 'delete' as const, 'reset' as const),
    id: goodId,
    fields: fc.constant({}),
  }),
  fc.record({
    op: fc.constant('factor' as const),
    id: goodId,
    fields: fc.record({ name: fc.option(goodText) }),
  }),
);

const byId = ([a]: [string, unknown], [b]: [string, unknown]) =>
  a < b ? -1 : 1;

it(
  'what is read equals what was written',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 10 }),
        fc.boolean(),
        async (steps, asForm) => {
          const model = new Map<string, Model>();
          const ask = async (method: string, at: string, fields?: object) => {
            const { status, text: body } = await send({
              method,
              path: `/v1/${at}`,
              headers: {
                'content-type': asForm
                  ? 'application/x-www-form-urlencoded'
                  : 'application/json',
              },
              body:
                fields && (asForm ? formOf(fields) : JSON.stringify(fields)),
            });
            return { status, data: expectEnvelope(method, status, body).data };
          };
          for (const unique_id of await listed(ask))
            await ask('DELETE', `users/${encodeURIComponent(unique_id)}`);
          for (const { op, id: unique_id, fields } of steps) {
            const at = `users/${encodeURIComponent(unique_id)}/`;
            const known = model.get(unique_id);
            const ifKnown = known ? 200 : 404;
            if (op === 'create') {
              const { status } = await ask('POST', 'users/', {
                unique_id,
                ...fields,
              });
              expect(status).toBe(known ? 409 : 201);
              if (!known)
                model.set(unique_id, {
                  ...NOTHING,
                  ...fields,
                  factors: [null],
                });
            } else if (op === 'update') {
              expect((await ask('PUT', at, fields)).status).toBe(ifKnown);
              // In a form, an empty value means "unchanged".
              const changes = Object.entries(fields).filter(
                ([, it]) => !asForm || it !== null,
              );
              if (known) Object.assign(known, Object.fromEntries(changes));
            } else if (op === 'reset')
              expect((await ask('PUT', at, { reset_key: 'true' })).status).toBe(
                ifKnown,
              );
            else if (op === 'delete') {
              expect((await ask('DELETE', at)).status).toBe(ifKnown);
              model.delete(unique_id);
            } else if (op === 'factor') {
              const { status } = await ask('POST', `${at}factors/`, {
                kind: 'totp',
                ...fields,
              });
              const isFull = (known?.factors.length ?? 0) >= 10;
              expect(status).toBe(known ? (isFull ? 409 : 201) : 404);
              if (!isFull) known?.factors.push(fields.name);
            } else expect((await ask('GET', at)).status).toBe(ifKnown);
          }
          const { data } = await ask('GET', 'users/');
          expect(
            data
              .map((user: any): [string, unknown] => [
                user.unique_id,
                pick(user),
              ])
              .sort(byId),
          ).toEqual(
            [...model]
              .map(([key, { factors: _, ...rest }]): [string, unknown] => [
                key,
                rest,
              ])
              .sort(byId),
          );
          for (const [key, { factors }] of model) {
            const at = `users/${encodeURIComponent(key)}/factors/`;
            const names = (await ask('GET', at)).data
              .filter(({ kind }: any) => kind === 'totp')
              .map(({ name }: any) => name);
            expect([...names].sort()).toEqual([...factors].sort());
          }
        },
      ),
      { numRuns: Math.ceil((RUNS * 0.1) / 20), endOnFailure: true, ...SEED },
    );
  },
  TIMEOUT_MS,
);

const NOTHING = {
  email: null,
  sms_number: null,
  voice_number: null,
  meta: null,
};

const pick = ({
  display_name,
  email,
  sms_number,
  voice_number,
  meta,
}: Model) => ({
  display_name,
  email,
  sms_number,
  voice_number,
  meta,
});

/** As the old clients send it: `meta` is JSON, and no value is empty. */
const formOf = (fields: object) =>
  toForm(
    Object.fromEntries(
      Object.entries(fields).map(([name, it]) => [
        name,
        it === null ? '' : typeof it === 'object' ? JSON.stringify(it) : it,
      ]),
    ),
  );

async function listed(
  ask: (method: string, at: string) => Promise<{ data: any }>,
) {
  const { data } = await ask('GET', 'users/');
  return data.map((user: any): string => user.unique_id) as string[];
}
