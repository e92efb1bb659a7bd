import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  adapter,
  ADAPTERS,
  call,
  check,
  createUser,
  wrongCode,
} from '../helpers/api.js';

const STAMP = {
  request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
  server_time: expect.stringMatching(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  ),
};

describe.each(ADAPTERS)('the v1 contract on %s', (name) => {
  let server: GAuthifyTestServer;

  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  it('creates a user with every field of the contract', async () => {
    const { status, body } = await call(server, 'POST', 'users/', {
      unique_id: 'jane@example.com',
      display_name: 'Jane',
      email: 'jane@example.com',
      sms_number: '9162627232',
      voice_number: '+44 20 8366 1177',
      meta: '{"a":{"b":1}}',
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      ...STAMP,
      data: {
        unique_id: 'jane@example.com',
        display_name: 'Jane',
        email: 'jane@example.com',
        sms_number: '+19162627232',
        voice_number: '+442083661177',
        meta: { a: { b: 1 } },
        key: expect.stringMatching(/^[A-Z2-7]{32}$/),
        otp: expect.stringMatching(/^\d{8}$/),
        qr_url: expect.stringContaining(`${server.accessPoint}qr/`),
        ez_url: expect.stringContaining(`${server.accessPoint}ez/`),
        instructions_url: expect.stringContaining(
          `${server.accessPoint}instructions/`,
        ),
        display_text: 'Jane',
        created_at: STAMP.server_time,
        groups: [],
        enrolled: false,
        recovery_codes_left: 0,
        otpauth_uri: expect.stringMatching(
          /^otpauth:\/\/totp\/GAuthify:Jane\?secret=[A-Z2-7]{32}&issuer=GAuthify$/,
        ),
        epoch: expect.stringMatching(/^[\w-]{36}$/),
      },
    });
  });

  it('shows fields without a value as null', async () => {
    const user = await createUser(server);
    expect(user).toMatchObject({
      email: null,
      sms_number: null,
      voice_number: null,
      meta: null,
    });
  });

  it('answers 409 if the unique_id exists', async () => {
    const { unique_id } = await createUser(server);
    const { status, body } = await call(server, 'POST', 'users/', {
      unique_id,
      display_name: 'x',
    });
    expect(status).toBe(409);
    expect(body).toEqual({
      ...STAMP,
      error_message: 'A user with this unique_id exists already',
      error_code: 'user_exists',
      http_status: 409,
    });
  });

  it.each([
    'jane+tag@example.com',
    'a/b',
    'a b',
    '100%',
    'ünïcode ✓',
    '%41',
    'a?b#c',
    '...',
  ])('finds the user %p by an encoded path', async (unique_id) => {
    await call(server, 'POST', 'users/', { unique_id, display_name: 'x' });
    for (const slash of ['/', '']) {
      const path = `users/${encodeURIComponent(unique_id)}${slash}`;
      expect((await call(server, 'GET', path)).body.data).toMatchObject({
        unique_id,
      });
    }
  });

  it.each(['raw@example.com', 'raw/id'])(
    'finds the user %p by a path that is not encoded',
    async (unique_id) => {
      await call(server, 'POST', 'users/', { unique_id, display_name: 'x' });
      expect(
        (await call(server, 'GET', `users/${unique_id}/`)).body.data,
      ).toMatchObject({ unique_id });
    },
  );

  it('updates the given fields and leaves the others', async () => {
    const { unique_id, key, otp } = await createUser(server, {
      email: 'a@example.com',
      meta: '{"a":1}',
    });
    const path = `users/${unique_id}/`;
    const { status, body } = await call(server, 'PUT', path, {
      sms_number: '9162627232',
      display_name: 'New',
    });
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      email: 'a@example.com',
      sms_number: '+19162627232',
      display_name: 'New',
      meta: { a: 1 },
      key,
      otp,
    });
    expect(
      (await call(server, 'PUT', path, { email: '' })).body.data.email,
    ).toBe('a@example.com');
    expect((await call(server, 'PUT', path)).status).toBe(200);
  });

  it.each(['true', 'T', '1'])(
    'gives a new secret for reset_key=%s',
    async (reset_key) => {
      const { unique_id, key, otp } = await createUser(server);
      const { body } = await call(server, 'PUT', `users/${unique_id}/`, {
        reset_key,
      });
      expect(body.data.key).not.toBe(key);
      expect(await check(server, unique_id, server.totp(key))).toMatchObject({
        authenticated: false,
      });
      expect(await check(server, unique_id, otp)).toMatchObject({
        authenticated: false,
      });
      expect(
        await check(server, unique_id, server.totp(body.data.key)),
      ).toMatchObject({ authenticated: true });
    },
  );

  it('counts a user as enrolled from a first TOTP code on, until reset_key without keep_enrolled', async () => {
    const { unique_id, key, otp } = await createUser(server);
    const path = `users/${unique_id}/`;
    const enrolled = async (params?: Record<string, string>) =>
      (await call(server, params ? 'PUT' : 'GET', path, params)).body.data
        .enrolled;
    await check(server, unique_id, otp);
    expect(await enrolled()).toBe(false);
    await check(server, unique_id, server.totp(key));
    expect(await enrolled()).toBe(true);
    expect(await enrolled({ reset_key: '1', keep_enrolled: '1' })).toBe(true);
    expect(await enrolled({ reset_key: '1' })).toBe(false);
  });

  it.each(['x'.repeat(255), 'ü'.repeat(255), '😀'.repeat(127)])(
    'finds the longest ids again: %s',
    async (unique_id) => {
      await call(server, 'POST', 'users/', { unique_id, display_name: 'x' });
      const path = `users/${encodeURIComponent(unique_id)}/`;
      for (const method of ['GET', 'PUT', 'DELETE'])
        expect(
          (await call(server, method, path, method === 'PUT' ? {} : undefined))
            .body.data?.unique_id,
        ).toBe(unique_id);
    },
  );

  it('reads the whole query, past a second question mark too', async () => {
    const { unique_id, key } = await createUser(server);
    const path = `users/${unique_id}/?display_name=what?&reset_key=true`;
    const { body } = await call(server, 'PUT', path);
    expect(body.data.display_name).toBe('what?');
    expect(body.data.key).not.toBe(key);
  });

  it('does not reset an enrolled user’s key if unless_enrolled is given', async () => {
    const { unique_id, key } = await createUser(server);
    const path = `users/${unique_id}/`;
    const params = { reset_key: '1', unless_enrolled: '1' };
    const { body } = await call(server, 'PUT', path, params);
    expect(body.data.key).not.toBe(key);
    await check(server, unique_id, server.totp(body.data.key));
    const refused = await call(server, 'PUT', path, { email: '', ...params });
    expect([refused.status, refused.body.error_code]).toEqual([
      409,
      'user_enrolled',
    ]);
    expect((await call(server, 'GET', path)).body.data).toMatchObject({
      key: body.data.key,
      enrolled: true,
    });
    const missing = await call(server, 'PUT', 'users/nobody/', params);
    expect(missing.status).toBe(404);
    // Of no meaning without reset_key.
    const renamed = await call(server, 'PUT', path, {
      display_name: 'Jane',
      unless_enrolled: '1',
    });
    expect(renamed.status).toBe(200);
  });

  it('deletes a user and answers their last state', async () => {
    const user = await createUser(server);
    const path = `users/${user.unique_id}/`;
    expect((await call(server, 'DELETE', path)).body.data).toEqual(user);
    expect((await call(server, 'GET', path)).status).toBe(404);
    expect((await call(server, 'DELETE', path)).status).toBe(404);
  });

  it('lists users, all or a page', async () => {
    const key = 'k'.repeat(32);
    const other = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      apiKeys: [{ realm: 'other', key }],
    });
    try {
      for (const unique_id of ['a', 'b', 'c'])
        await call(other, 'POST', 'users/', {
          unique_id,
          display_name: unique_id,
        });
      const ids = async (path: string, init?: RequestInit) =>
        (await call(other, 'GET', path, undefined, init)).body.data.map(
          (user: any) => user.unique_id,
        );
      expect((await ids('users/')).sort()).toEqual(['a', 'b', 'c']);
      const pages = [
        ...(await ids('users/?page=1&page_size=2')),
        ...(await ids('users?page=2&page_size=2')),
      ];
      expect(pages.sort()).toEqual(['a', 'b', 'c']);
      expect(await ids('users/?page=3&page_size=2')).toEqual([]);
      // Another realm sees none of them.
      expect(await ids('users/', { headers: { authorization: key } })).toEqual(
        [],
      );
    } finally {
      await other.close();
    }
  });

  it('lists its error codes', async () => {
    const { body } = await call(server, 'GET', 'errors/');
    expect(body.data).toMatchObject({
      user_not_found: expect.any(String),
      '500': expect.any(String),
    });
  });

  it.each([
    ['query string', (q: string) => [`?${q}`, undefined, undefined]],
    ['form', (q: string) => ['', q, 'application/x-www-form-urlencoded']],
    [
      'form without a content type',
      (q: string) => ['', q, 'text/plain;charset=UTF-8'],
    ],
    [
      'JSON',
      (q: string) => [
        '',
        JSON.stringify(Object.fromEntries(new URLSearchParams(q))),
        'application/json',
      ],
    ],
    [
      'query and form at once',
      (q: string) => [`?${q}`, q, 'application/x-www-form-urlencoded'],
    ],
    [
      'query and JSON at once',
      (q: string) => [
        `?${q}`,
        JSON.stringify(Object.fromEntries(new URLSearchParams(q))),
        'application/json',
      ],
    ],
  ])('reads parameters from %s', async (_, encode) => {
    const { unique_id } = await createUser(server);
    const [query, body, type] = encode(`unique_id=${unique_id}&auth_code=1`);
    const answer = await call(server, 'POST', `check/${query}`, undefined, {
      body: body!,
      headers: type ? { 'content-type': type } : {},
    });
    expect(answer.body.data).toEqual({
      unique_id,
      authenticated: false,
      method: null,
    });
  });

  it('lets the body win over the query', async () => {
    const [one, other] = [await createUser(server), await createUser(server)];
    const { body } = await call(
      server,
      'POST',
      `check/?unique_id=${one.unique_id}`,
      {
        unique_id: other.unique_id,
        auth_code: '1',
      },
    );
    expect(body.data.unique_id).toBe(other.unique_id);
  });

  it.each([
    ['application/json', 'null'],
    ['application/json', '{broken'],
    ['application/json', undefined],
    ['application/x-www-form-urlencoded', 'a=b'],
    ['text/xml', '<a/>'],
  ])('ignores a body of DELETE (%s %s)', async (type, body) => {
    const { unique_id } = await createUser(server);
    const answer = await call(
      server,
      'DELETE',
      `users/${unique_id}/`,
      undefined,
      {
        ...(body === undefined ? {} : { body }),
        headers: { 'content-type': type },
      },
    );
    expect(answer.status).toBe(200);
  });

  describe('authentication', () => {
    const get = async (path: string, authorization?: string) =>
      await call(server, 'GET', path, undefined, {
        headers: { authorization: authorization ?? '' },
      });

    it.each([
      ['Basic', () => ['users/', `Basic ${btoa(`:${server.apiKey}`)}`]],
      ['a bare header', () => ['users/', server.apiKey]],
      ['the query', () => [`users/?api_key=${server.apiKey}`, '']],
    ])('takes the key by %s', async (_, request) => {
      const [path, header] = request();
      expect((await get(path!, header)).status).toBe(200);
    });

    it.each([
      ['no key', () => ''],
      ['an unknown key', () => 'Basic ' + btoa(':nope')],
      ['the key as user name', () => 'Basic ' + btoa(`${server.apiKey}:`)],
      ['Bearer', () => `Bearer ${server.apiKey}`],
      ['part of the key', () => server.apiKey.slice(0, -1)],
      ['an empty password', () => 'Basic ' + btoa(':')],
    ])('refuses %s', async (_, header) => {
      const { status, body } = await get('users/', header());
      expect(status).toBe(401);
      expect(body).toMatchObject({
        ...STAMP,
        error_code: 'invalid_api_key',
        http_status: 401,
      });
      expect(body.error_message).not.toContain(server.apiKey);
    });

    it.each<[string, () => Record<string, string>, string]>([
      ['nothing', () => ({}), 'No API key was given'],
      [
        'Authorization: Bearer',
        () => ({ authorization: `Bearer ${server.apiKey}` }),
        'The scheme Bearer is not accepted',
      ],
      [
        'another scheme',
        () => ({ authorization: `Token ${server.apiKey}` }),
        'The header Authorization holds more than the API key',
      ],
      [
        'x-api-key',
        () => ({ 'x-api-key': server.apiKey }),
        'The header x-api-key is not read',
      ],
    ])(
      'explains how to send the key when the request has %s',
      async (_, headers, problem) => {
        const response = await fetch(`${server.accessPoint}users/`, {
          headers: headers(),
        });
        expect(response.status).toBe(401);
        expect(((await response.json()) as any).error_message).toBe(
          `${problem}: send the API key as the password of HTTP Basic with an empty user name (curl -u :KEY), alone in the header Authorization, or as the query parameter api_key`,
        );
      },
    );
  });

  it('does not reach another realm’s users', async () => {
    const two = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      apiKeys: [{ realm: 'other', key: 'o'.repeat(32) }],
    });
    try {
      const user = await createUser(two, { email: 'a@example.com' });
      const asOther = { headers: { authorization: 'o'.repeat(32) } };
      const path = `users/${user.unique_id}/`;
      const params = {
        unique_id: user.unique_id,
        auth_code: two.totp(user.key),
      };
      const answers = [
        await call(two, 'GET', path, undefined, asOther),
        await call(two, 'PUT', path, { reset_key: 'true' }, asOther),
        await call(two, 'DELETE', path, undefined, asOther),
        await call(two, 'POST', 'check/', params, asOther),
        await call(two, 'POST', 'email/', params, asOther),
      ];
      expect(answers.map(({ status }) => status)).toEqual([
        404, 404, 404, 404, 404,
      ]);
      expect((await call(two, 'GET', path)).body.data).toEqual(user);
    } finally {
      await two.close();
    }
  });

  it('tells which kind of code was right', async () => {
    const user = await createUser(server, { email: 'k@example.com' });
    const id = user.unique_id;
    expect(await check(server, id, server.totp(user.key))).toEqual({
      unique_id: id,
      authenticated: true,
      method: 'totp',
      epoch: user.epoch,
    });
    expect(await check(server, id, user.otp)).toEqual({
      unique_id: id,
      authenticated: true,
      method: 'otp',
      epoch: user.epoch,
    });
    await call(server, 'POST', 'email/', { unique_id: id });
    expect(await check(server, id, server.lastCode('k@example.com'))).toEqual({
      unique_id: id,
      authenticated: true,
      method: 'email',
      epoch: user.epoch,
    });
    expect(await check(server, id, wrongCode(server, user.key))).toEqual({
      unique_id: id,
      authenticated: false,
      method: null,
    });
  });
});
