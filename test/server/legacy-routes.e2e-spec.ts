/** Calls of clients of version 1.2, behind the option `legacyRoutes`. */
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  adapter,
  ADAPTERS,
  call,
  createUser,
  ezToken,
  wrongCode,
} from '../helpers/api.js';
import { createPostgres, encryptionKeys } from '../helpers/postgres.js';
import { sendRaw } from '../helpers/raw-http.js';

const postgres = await createPostgres();
if (!postgres.url)
  process.stderr.write(`On PostgreSQL it is skipped: ${postgres.reason}\n`);

/**
 * What the clients of version 1.271 for Python, PHP and Ruby send, byte for byte, in
 * their order, recorded from their sources (tags `1.271`). `{host}`, `{key}`, `{otp}`
 * and `{token}` stand for what differs each time.
 */
interface OldRequest {
  client: string;
  call: string;
  request: string;
}

const REQUESTS = JSON.parse(
  readFileSync(new URL('clients-1.2.json', import.meta.url), 'utf8'),
) as OldRequest[];

/** What each call answers; and what the clients read of it. */
const ANSWERS: Record<string, [status: number, data: unknown]> = {
  create_user: [
    201,
    {
      display_name: 'Jane',
      email: expect.stringMatching(/^a\d@example\.com$/),
      phone_number: expect.stringMatching(/^\+1916262720\d$/),
      key: expect.any(String),
    },
  ],
  get_user: [200, { display_name: 'Jane', otp: expect.any(String) }],
  'check_auth wrong': [200, { provided_auth: true, authenticated: false }],
  'check_auth right': [200, { provided_auth: true, authenticated: true }],
  send_sms: [200, { display_name: 'Jane' }],
  send_email: [200, { display_name: 'Jane' }],
  get_user_by_token: [200, { display_name: 'Jane' }],
  update_user: [
    200,
    {
      email: expect.stringMatching(/^c\d@example\.com$/),
      phone_number: expect.stringMatching(/^\+1916262720\d$/),
      meta: { a: 'b' },
    },
  ],
  'create_user again': [201, { email: null, phone_number: null }],
  get_all_users: [200, [{ display_name: 'Jane' }]],
  api_errors: [200, { invalid_api_key: expect.any(String) }],
  delete_user: [200, { display_name: 'Jane' }],
};

describe.each(ADAPTERS)(
  'the published clients of version 1.2 on %s',
  (name) => {
    it.each(['python', 'php', 'ruby'])('%s', async (client) => {
      const server = await GAuthifyTestServer.start({
        adapter: await adapter(name),
        legacyRoutes: true,
      });
      const requests = REQUESTS.filter((one) => one.client === client);
      expect(requests.map((one) => one.call)).toEqual(Object.keys(ANSWERS));
      const [, unique_id] = /users\/([^/]+)\//.exec(requests[0]!.request)!;
      const { accessPoint: url, apiKey } = server;
      const userNow = async () =>
        (await call(server, 'GET', `users/${encodeURIComponent(unique_id!)}/`))
          .body.data;
      for (const { call: called, request } of requests) {
        let bytes = request
          .replace('{host}', new URL(url).host)
          .replace('{key}', apiKey);
        if (bytes.includes('{otp}'))
          bytes = bytes.replace('{otp}', (await userNow()).otp);
        if (bytes.includes('{token}')) {
          const user = await userNow();
          server.advance(30);
          bytes = bytes.replace(
            '{token}',
            await ezToken(user, server.totp(user.key)),
          );
        }
        const { status, body } = await sendRaw(url, bytes);
        const [expected, data] = ANSWERS[called]!;
        expect([called, status, JSON.parse(body)]).toEqual([
          called,
          expected,
          expect.objectContaining({
            data: Array.isArray(data)
              ? data.map((one) => expect.objectContaining(one))
              : expect.objectContaining(data as object),
          }),
        ]);
      }
      expect(server.outbox.map(({ channel }) => channel).sort()).toEqual([
        'email',
        'sms',
      ]);
      await server.close();
    });
  },
);

describe.each(ADAPTERS)('version 1.2 on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      legacyRoutes: true,
    });
  });
  afterAll(() => server.close());

  const get = (path: string) => call(server, 'GET', path);

  it('checks a code once, with or without the slash at the end', async () => {
    const user = await createUser(server);
    const code = server.totp(user.key);
    const path = `users/${user.unique_id}/check/${code}`;
    const first = await get(`${path}/`);
    expect([first.status, first.body.data.authenticated]).toEqual([200, true]);
    expect((await get(path)).body.data.authenticated).toBe(false);
    const wrong = wrongCode(server, user.key);
    const { body } = await get(`users/${user.unique_id}/check/${wrong}/`);
    expect(body.data.authenticated).toBe(false);
  });

  it('takes who is meant from the path, whatever the body says', async () => {
    const jane = await createUser(server);
    const user = (path: string) =>
      call(server, 'POST', path, {
        unique_id: jane.unique_id,
        display_name: 'Joe',
      });
    expect((await user('users/joe/')).body.data.unique_id).toBe('joe');
    expect((await user('users//')).status).toBe(409);
    const now = (await get(`users/${jane.unique_id}/`)).body.data;
    expect([now.key, now.display_name]).toEqual([jane.key, jane.display_name]);
  });

  it('does not use up a code by HEAD', async () => {
    const user = await createUser(server);
    const path = `users/${user.unique_id}/check/${server.totp(user.key)}/`;
    expect((await call(server, 'HEAD', path)).status).toBe(404);
    expect((await get(path)).body.data.authenticated).toBe(true);
  });

  it('limits guesses as check/ does', async () => {
    const user = await createUser(server);
    const wrong = wrongCode(server, user.key);
    const statuses = [];
    for (let i = 0; i < 6; i++)
      statuses.push(
        (await get(`users/${user.unique_id}/check/${wrong}/`)).status,
      );
    expect(statuses).toEqual([200, 200, 200, 200, 200, 402]);
  });

  it('finds ids that are not encoded, with slashes and signs', async () => {
    const unique_id = `${name}/j+ne@example.com`;
    const user = await createUser(server, { unique_id });
    for (const id of [unique_id, encodeURIComponent(unique_id)]) {
      server.advance(30);
      const { body } = await get(`users/${id}/check/${server.totp(user.key)}/`);
      expect(body.data).toMatchObject({ unique_id, authenticated: true });
    }
  });

  it('sends to the number on file, or to a given one, and not twice', async () => {
    const user = await createUser(server, { phone_number: '9162627232' });
    expect(user.sms_number).toBe('+19162627232');
    const path = `users/${user.unique_id}/sms/`;
    expect((await get(path)).status).toBe(200);
    expect(server.outbox[0]).toMatchObject({ to: '+19162627232' });
    const again = await get(path);
    expect([again.status, again.body.error_code]).toEqual([
      402,
      'too_many_sends',
    ]);
    const other = await createUser(server);
    await get(`users/${other.unique_id}/email/jane@example.com/`);
    expect(server.outbox[0]).toMatchObject({ to: 'jane@example.com' });
    server.advance(60);
    await get(`users/${other.unique_id}/voice/9162627233/`);
    expect(server.outbox[0]).toMatchObject({
      channel: 'voice',
      to: '+19162627233',
    });
  });

  it('creates a user by POST, in the place of one of the same id', async () => {
    const user = await createUser(server, { email: 'jane@example.com' });
    const path = `users/${user.unique_id}/`;
    const params = { phone_number: '9162627234', display_name: 'Jane' };
    const { status, body } = await call(server, 'POST', path, params);
    expect(status).toBe(201);
    expect(body.data).toMatchObject({
      unique_id: user.unique_id,
      display_name: 'Jane',
      phone_number: '+19162627234',
      sms_number: '+19162627234',
      email: null,
      enrolled: false,
    });
    expect(body.data.key).not.toBe(user.key);
    // The old app is none any longer.
    const code = server.totp(user.key);
    expect(
      (await get(`users/${user.unique_id}/check/${code}/`)).body.data,
    ).toMatchObject({ authenticated: false, provided_auth: true });
    // New calls are what they were.
    expect((await call(server, 'POST', `${path}unlock/`)).status).toBe(200);
    const twice = { unique_id: user.unique_id, display_name: 'Jane' };
    expect((await call(server, 'POST', 'users/', twice)).status).toBe(409);
  });

  it('trades a token once', async () => {
    const user = await createUser(server);
    const token = await ezToken(user, server.totp(user.key));
    const { body } = await get(`token/${token}/`);
    expect(body.data.unique_id).toBe(user.unique_id);
    expect((await get(`token/${token}/`)).body.error_code).toBe(
      'token_not_found',
    );
  });

  it('needs the key, in the query too', async () => {
    const user = await createUser(server);
    const path = `users/${user.unique_id}/check/${server.totp(user.key)}/`;
    const without = await fetch(server.accessPoint + path);
    expect(without.status).toBe(401);
    const url = `${server.accessPoint}${path}?api_key=${server.apiKey}`;
    const body = (await (await fetch(url)).json()) as any;
    expect(body.data.authenticated).toBe(true);
  });

  it('is not there where it is not asked for', async () => {
    const other = await GAuthifyTestServer.start();
    const user = await createUser(other, { phone_number: '9162627232' });
    expect(user.sms_number).toBeNull();
    const code = other.totp(user.key);
    for (const path of [
      `users/${user.unique_id}/check/${code}/`,
      `users/${user.unique_id}/sms/`,
      `token/gat${'A'.repeat(32)}/`,
    ])
      expect((await call(other, 'GET', path)).status).toBe(404);
    await other.close();
  });
});

(postgres.url ? it : it.skip)(
  'creates a user several times at the same moment on PostgreSQL',
  async () => {
    const server = await GAuthifyTestServer.start({
      database: postgres.url!,
      encryptionKeys: encryptionKeys(),
      legacyRoutes: true,
    });
    try {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () =>
          call(server, 'POST', 'users/jane/', { display_name: 'Jane' }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(201));
      const { body } = await call(server, 'GET', 'users/');
      expect(body.data).toHaveLength(1);
    } finally {
      await server.close();
    }
  },
);
