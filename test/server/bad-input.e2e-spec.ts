import 'reflect-metadata';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  adapter,
  ADAPTERS,
  type Answer,
  call,
  createUser,
} from '../helpers/api.js';

const LONG = 'x'.repeat(256);
const USER = { unique_id: 'bad', display_name: 'Bad' };

/** [what is wrong, the parameters, what the message names] of `POST users/`. */
const BAD_USERS: [string, Record<string, unknown>, string][] = [
  ['unique_id missing', { display_name: 'x' }, 'unique_id is missing'],
  ['display_name missing', { unique_id: 'bad' }, 'display_name is missing'],
  [
    'unique_id empty',
    { ...USER, unique_id: '' },
    'unique_id must not be empty',
  ],
  ['unique_id an object', { ...USER, unique_id: { $ne: 1 } }, 'unique_id'],
  ['unique_id a list', { ...USER, unique_id: ['a'] }, 'unique_id'],
  [
    'unique_id true',
    { ...USER, unique_id: true },
    'unique_id must be a string',
  ],
  ['unique_id null', { ...USER, unique_id: null }, 'unique_id is missing'],
  ['unique_id a dot segment', { ...USER, unique_id: '..' }, 'unique_id'],
  [
    'unique_id too long',
    { ...USER, unique_id: LONG },
    'at most 255 characters',
  ],
  [
    'email with a line break',
    { ...USER, email: '"a\r\nBcc: b@example.com"@example.com' },
    'email must not contain control characters',
  ],
  [
    'display_name too long',
    { ...USER, display_name: LONG },
    'at most 255 characters',
  ],
  ['a line feed', { ...USER, display_name: 'a\nb' }, 'control characters'],
  ['a NUL', { ...USER, unique_id: 'bad\u0000' }, 'control characters'],
  ['a lone surrogate', { ...USER, display_name: '\ud800' }, 'well-formed'],
  [
    'an e-mail address with a lone surrogate',
    { ...USER, email: '\ud800@example.com' },
    'email must be an e-mail address',
  ],
  ['no e-mail address', { ...USER, email: 'nobody' }, 'email must be'],
  [
    'two e-mail addresses',
    { ...USER, email: 'a@example.com,b@example.com' },
    'email must be',
  ],
  [
    'e-mail header injection',
    { ...USER, email: 'a@example.com\r\nBcc: b@example.com' },
    'email must be',
  ],
  ['no phone number', { ...USER, sms_number: '12' }, 'sms_number must be'],
  [
    'a phone number as a list',
    { ...USER, voice_number: ['+19162627232'] },
    'voice_number must be',
  ],
  ['meta no JSON', { ...USER, meta: '{' }, 'meta must be a JSON object'],
  ['meta a list', { ...USER, meta: [1] }, 'meta must be a JSON object'],
  [
    'meta too large',
    { ...USER, meta: { a: 'x'.repeat(9000) } },
    'meta must be at most 8192 bytes',
  ],
  [
    'meta too deep',
    { ...USER, meta: `${'{"a":'.repeat(40)}1${'}'.repeat(40)}` },
    'levels deep',
  ],
];

describe.each(ADAPTERS)('bad input on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  const json = (method: string, path: string, body: unknown) =>
    call(server, method, path, undefined, {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });

  function expectRefusal(
    { status, body }: Answer,
    message = '',
    expected = 406,
  ): void {
    expect(status).toBe(expected);
    expect(body).toEqual({
      error_message: expect.stringContaining(message),
      error_code: expect.any(String),
      http_status: status,
      request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      server_time: expect.any(String),
    });
    expect(JSON.stringify(body)).not.toMatch(
      /\bat \S+ \(|\.[jt]s:\d|node_modules/,
    );
  }

  const stored = async () => (await call(server, 'GET', 'users/')).body.data;

  it.each(BAD_USERS)('a new user with %s', async (_, params, message) => {
    const before = await stored();
    const answer = await json('POST', 'users/', params);
    expectRefusal(answer, message);
    expect(answer.status).toBe(406);
    expect(await stored()).toEqual(before);
  });

  it.each(
    BAD_USERS.filter(
      ([, params]) => params.unique_id === 'bad' && 'display_name' in params,
    ),
  )('a change with %s', async (_, { unique_id: _id, ...params }, message) => {
    const { unique_id } = await createUser(server, {
      email: 'kept@example.com',
      meta: '{"a":1}',
    });
    const path = `users/${unique_id}/`;
    const { data } = (await call(server, 'GET', path)).body;
    expectRefusal(await json('PUT', path, params), message);
    expect((await call(server, 'GET', path)).body.data).toEqual(data);
  });

  it.each([
    '{"unique_id":"bad","display_name":"x","meta":{"__proto__":{"admin":true}}}',
    '{"unique_id":"bad","display_name":"x","meta":{"a":{"constructor":{"prototype":{}}}}}',
    JSON.stringify({ ...USER, meta: '{"a":[{"__proto__":1}]}' }),
  ])('meta that reaches a prototype: %s', async (body) => {
    expectRefusal(
      await json('POST', 'users/', body),
      'meta must not have the key',
    );
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });

  it('ignores __proto__ among the parameters', async () => {
    const answer = await json(
      'POST',
      'users/',
      '{"__proto__":{"unique_id":"bad","display_name":"x"}}',
    );
    expectRefusal(answer, 'unique_id is missing');
  });

  it.each([
    ['{', 'not valid JSON'],
    ['[]', 'must be an object'],
    ['"a"', 'must be an object'],
    ['null', 'unique_id is missing'],
    ['', 'unique_id is missing'],
    [`{"unique_id":${'['.repeat(30000)}${']'.repeat(30000)}}`, ''],
  ])('JSON %#', async (body, message) => {
    expectRefusal(await json('POST', 'users/', body), message);
    expectRefusal(await json('POST', 'check/', body), message);
  });

  it('a body that is not UTF-8', async () => {
    const answer = await call(server, 'POST', 'users/', undefined, {
      body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]),
      headers: { 'content-type': 'application/json' },
    });
    expectRefusal(answer, 'UTF-8');
  });

  it('a form that gives a name twice', async () => {
    const answer = await call(server, 'POST', 'check/', undefined, {
      body: 'unique_id=a&unique_id=b&auth_code=1',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expectRefusal(answer, '"unique_id" twice');
  });

  it.each(['users/', 'check/', 'token/', 'email/', 'sms/', 'voice/'])(
    '1 MiB to %s',
    async (path) => {
      const answer = await json('POST', path, {
        unique_id: 'x'.repeat(1024 * 1024),
      });
      expectRefusal(answer, 'at most 65536 bytes');
    },
  );

  it('cuts off a body that never ends', async () => {
    const { hostname, port } = new URL(server.accessPoint);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(
      `POST /v1/check/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.apiKey}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const closed = new Promise((resolve) => socket.on('close', resolve));
    let sent = 0;
    const pump = () => {
      // Far more than the limit, and still bounded should the server take it all.
      while (!socket.destroyed && sent++ < 1000)
        if (!socket.write(chunk)) return;
    };
    socket.on('drain', pump);
    pump();
    await closed;
    expect(sent).toBeLessThan(1000);
  });

  it.each([
    ['check/', { auth_code: '1' }, 'unique_id is missing'],
    ['check/', { unique_id: 'x' }, 'auth_code is missing'],
    [
      'check/',
      { unique_id: 'x', auth_code: '' },
      'auth_code must not be empty',
    ],
    [
      'check/',
      { unique_id: 'x', auth_code: '1'.repeat(65) },
      'auth_code must be at most 64',
    ],
    ['check/', { unique_id: 'x', auth_code: { a: 1 } }, ''],
    ['token/', {}, 'token is missing'],
    ['token/', { token: 5 }, 'token must be a string'],
    ['email/', {}, 'unique_id is missing'],
    ['email/', { unique_id: 'x', email: 'x' }, 'email must be'],
    ['sms/', { unique_id: 'x', sms_number: '1' }, 'sms_number must be'],
    [
      'voice/',
      { unique_id: 'x', voice_number: 'call me' },
      'voice_number must be',
    ],
  ])('%s with %j', async (path, params, message) => {
    expectRefusal(await json('POST', path, params), message);
  });

  it.each(['0', '-1', '1.5', 'x', '', '1e9', '99999999999999999999'])(
    'page %p',
    async (page) => {
      const { status } = await call(
        server,
        'GET',
        `users/?page=${page}&page_size=10`,
      );
      expect(status).toBe(406);
    },
  );

  it.each(['0', '1001', 'x'])('page_size %p', async (size) => {
    expectRefusal(
      await call(server, 'GET', `users/?page=1&page_size=${size}`),
      'page_size',
    );
  });

  it.each([
    ['GET', 'check/'],
    ['POST', 'errors/'],
    ['PATCH', 'users/x/'],
    ['GET', 'nope/'],
    ['POST', 'nope/nope/'],
    ['GET', ''],
    ['GET', '../v1/nope'],
    ['GET', '%00'],
    ['DELETE', 'users/'],
  ])('the unknown path %s %s', async (method, path) => {
    const answer = await call(server, method, path);
    expectRefusal(answer, 'There is nothing at this path', 404);
  });

  it.each([
    ['POST', 'check/', { unique_id: 'nobody', auth_code: '123456' }],
    ['GET', 'users/nobody/', undefined],
    ['PUT', 'users/nobody/', { email: 'a@example.com' }],
    ['DELETE', 'users/nobody/', undefined],
  ])('an unknown user at %s %s', async (method, path, params) => {
    const answer = await call(server, method, path, params);
    expectRefusal(answer, 'No such user', 404);
  });

  it('treats SQL in an id as text', async () => {
    const unique_id = `'; drop table users; --`;
    await call(server, 'POST', 'users/', {
      unique_id,
      display_name: `" or 1=1`,
    });
    const { body } = await call(
      server,
      'GET',
      `users/${encodeURIComponent(unique_id)}/`,
    );
    expect(body.data).toMatchObject({ unique_id, display_name: `" or 1=1` });
  });
});

it('the standalone server gives a request ten seconds to arrive', async () => {
  const server = await GAuthifyTestServer.start();
  // Node takes the longer of the two for the request.
  expect(server.app.getHttpServer()).toMatchObject({
    headersTimeout: 10_000,
    requestTimeout: 10_000,
  });
  await server.close();
});
