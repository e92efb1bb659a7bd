/** Kept answers end with the epoch of their user; and who has to wait costs no write. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { call, createUser } from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

let keys = 0;
const newKey = () => `key-${++keys}`;

const request = (
  method: string,
  path: string,
  params: Record<string, string> | undefined,
  key: string,
) =>
  call(server, method, path, params, { headers: { 'idempotency-key': key } });
const update = (unique_id: string, params: Record<string, string>) =>
  call(server, 'PUT', `users/${unique_id}/`, params);

/** What moves a user's epoch. */
const CHANGES: [string, (unique_id: string) => Promise<unknown>][] = [
  ['reset_key', (id) => update(id, { reset_key: 'true' })],
  ['a change of address', (id) => update(id, { email: 'new@example.com' })],
  ['deletion', (id) => call(server, 'DELETE', `users/${id}/`)],
  [
    'deletion and re-creation',
    async (id) => {
      await call(server, 'DELETE', `users/${id}/`);
      await call(server, 'POST', 'users/', {
        unique_id: id,
        display_name: 'Somebody else',
      });
    },
  ],
];

describe.each(CHANGES)('after %s', (_, change) => {
  it('a repeated check is answered as a used code is', async () => {
    const user = await createUser(server, { email: 'jane@example.com' });
    const { unique_id } = user;
    await call(server, 'POST', 'email/', { unique_id });
    const asked = [];
    for (const auth_code of [
      server.totp(user.key),
      user.otp,
      server.lastCode(),
    ]) {
      const args = [
        'POST',
        'check/',
        { unique_id, auth_code: auth_code as string },
        newKey(),
      ] as const;
      asked.push(args);
      const first = await request(...args);
      expect(first.body.data.authenticated).toBe(true);
      expect((await request(...args)).body.data).toEqual(first.body.data);
    }
    await change(unique_id);
    for (const args of asked) {
      const { status, body } = await request(...args);
      expect([status, body.data]).toEqual([
        200,
        { unique_id, authenticated: false, method: null },
      ]);
    }
    server.advance(30);
  });

  it('a repeated token is answered as a used one is', async () => {
    const user = await createUser(server);
    const body = new URLSearchParams({ auth_code: server.totp(user.key) });
    const page = await fetch(user.ez_url, { method: 'POST', body });
    const token = /gat[A-Z2-7]{32}/.exec(await page.text())![0];
    const key = newKey();
    const first = await request('POST', 'token/', { token }, key);
    expect(first.body.data.key).toBe(user.key);
    await change(user.unique_id);
    const again = await request('POST', 'token/', { token }, key);
    expect([again.status, again.body.error_code]).toEqual([
      404,
      'token_not_found',
    ]);
    expect(JSON.stringify(again.body)).not.toContain(user.key);
  });

  it('a repeated creation, change or message says so, and nothing is done twice', async () => {
    const unique_id = `kept-${newKey()}`;
    const calls = [
      ['POST', 'users/', { unique_id, display_name: 'Jane' }],
      ['PUT', `users/${unique_id}/`, { reset_key: 'true' }],
      ['PUT', `users/${unique_id}/`, { sms_number: '9162627232' }],
      ['POST', 'sms/', { unique_id }],
    ] as const;
    const asked = [];
    for (const [method, path, params] of calls) {
      const key = newKey();
      const { status } = await request(method, path, params, key);
      expect(status).toBeLessThan(300);
      asked.push([method, path, params, key] as const);
    }
    const sent = server.outbox.length;
    await change(unique_id);
    const before = await call(server, 'GET', `users/${unique_id}/`);
    for (const args of asked) {
      const { status, body } = await request(...args);
      expect([status, body.error_code]).toEqual([409, 'user_changed']);
    }
    const after = await call(server, 'GET', `users/${unique_id}/`);
    expect(after.body.data).toEqual(before.body.data);
    expect(server.outbox).toHaveLength(sent);
    server.advance(600);
  });
});

it('a repeated deletion answers what it did, also when the user is there again', async () => {
  const { unique_id, key: secret } = await createUser(server);
  const key = newKey();
  await request('DELETE', `users/${unique_id}/`, undefined, key);
  await call(server, 'POST', 'users/', { unique_id, display_name: 'Again' });
  const { body } = await request(
    'DELETE',
    `users/${unique_id}/`,
    undefined,
    key,
  );
  expect(body.data.key).toBe(secret);
  const { status } = await call(server, 'GET', `users/${unique_id}/`);
  expect(status).toBe(200);
});

it('replays while nothing but the name changes', async () => {
  const user = await createUser(server);
  const params = {
    unique_id: user.unique_id,
    auth_code: server.totp(user.key),
  };
  const key = newKey();
  await request('POST', 'check/', params, key);
  await update(user.unique_id, { display_name: 'Jane D.', meta: '{"a":1}' });
  const { body } = await request('POST', 'check/', params, key);
  expect(body.data.authenticated).toBe(true);
});

describe('a check of a user who has to wait', () => {
  const waiting = async () => {
    const user = await createUser(server);
    const params = { unique_id: user.unique_id, auth_code: '00000000' };
    const key = newKey();
    const first = await request('POST', 'check/', params, key);
    for (let i = 0; i < 4; i++) await call(server, 'POST', 'check/', params);
    return { user, params, key, first };
  };
  /** Rows written since the database was opened; a write of none counts none. */
  const written = async () => {
    const { read: db } = server.app.get<Database>(DATABASE);
    const { rows } = await sql<{
      n: number;
    }>`select total_changes() as n`.execute(db);
    return rows[0]!.n;
  };

  it('is refused without a write, with and without a key', async () => {
    const { params } = await waiting();
    const before = await written();
    for (const key of [undefined, newKey(), newKey()]) {
      const { status, body } = key
        ? await request('POST', 'check/', params, key)
        : await call(server, 'POST', 'check/', params);
      expect([status, body.error_code]).toEqual([402, 'too_many_attempts']);
    }
    expect(await written()).toBe(before);
  });

  it.each([{ unique_id: 4711 }, { uniqueId: '4711' }])(
    'is refused without a write where the body is %j',
    async (id) => {
      await call(server, 'POST', 'users/', {
        unique_id: '4711',
        display_name: 'Jane',
      });
      const json = (key?: string) =>
        call(server, 'POST', 'check/', undefined, {
          body: JSON.stringify({ ...id, auth_code: '00000000' }),
          headers: {
            'content-type': 'application/json',
            ...(key !== undefined && { 'idempotency-key': key }),
          },
        });
      for (let i = 0; i < 5; i++) await json();
      const before = await written();
      expect((await json(newKey())).body.error_code).toBe('too_many_attempts');
      expect(await written()).toBe(before);
    },
  );

  it('gets the answer there is to its key', async () => {
    const { params, key, first } = await waiting();
    const again = await request('POST', 'check/', params, key);
    expect([again.status, again.body.data]).toEqual([200, first.body.data]);
  });

  it('is the first request of its key once the wait is over', async () => {
    const { user } = await waiting();
    const key = newKey();
    const params = { unique_id: user.unique_id, auth_code: user.otp };
    const refused = await request('POST', 'check/', params, key);
    server.advance(Number(refused.headers.get('retry-after')));
    const { body } = await request('POST', 'check/', params, key);
    expect(body.data.authenticated).toBe(true);
  });
});
