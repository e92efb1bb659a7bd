import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Tokens } from '../../lib/server/factors/tokens.js';
import {
  DATABASE,
  type Database,
  type Queries,
} from '../../lib/server/store/database.js';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { adapter, ADAPTERS, call, wrongCode } from '../helpers/api.js';
import { sendRaw } from '../helpers/raw-http.js';

/** A request as a published client sent it, byte for byte: Latin-1 text, one character a byte. */
interface OldRequest {
  client: string;
  call: string;
  request: string;
}

const REQUESTS = JSON.parse(
  readFileSync(new URL('old-clients.json', import.meta.url), 'utf8'),
) as OldRequest[];

/** The user of a client's requests, before it changed anything. */
interface Given {
  unique_id: string;
  display_name: string;
  email: string;
  sms_number: string;
  voice_number: string;
  meta: { a: string };
}

const field = (request: string, name: string): string =>
  decodeURIComponent(
    new RegExp(`[?&\\n]${name}=([^&\\s]+)`).exec(request)?.[1] ?? '',
  );

/** What `create_user` of a client creates: its id is that of all its other requests. */
function givenOf(client: string): Given {
  const { request } = REQUESTS.find(
    (it) => it.client === client && it.call === 'create_user',
  )!;
  const body = request.slice(request.indexOf('\r\n\r\n') + 4);
  const values = body.startsWith('{')
    ? (JSON.parse(Buffer.from(body, 'latin1').toString()) as Record<
        string,
        string
      >)
    : Object.fromEntries(new URLSearchParams(body));
  return {
    unique_id: values.unique_id!,
    display_name: 'Jané D.',
    email: values.email!,
    sms_number: `+1${values.sms_number}`,
    voice_number: `+1${values.voice_number}`,
    meta: { a: 'b' },
  };
}

describe.each(ADAPTERS)('the published clients on %s', (name) => {
  let server: GAuthifyTestServer;
  let db: Queries;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
    ({ read: db } = server.app.get<Database>(DATABASE));
  });
  afterAll(() => server.close());

  it('are all covered, with every request they send', () => {
    expect(REQUESTS).toHaveLength(64);
  });

  it.each(REQUESTS.map((it) => [it.client, it.call, it.request] as const))(
    '%s %s',
    async (client, called, request) => {
      const given = givenOf(client);
      const path = `users/${encodeURIComponent(given.unique_id)}/`;
      await db.deleteFrom('users').execute();
      await db.deleteFrom('sends').execute();
      const created = called === 'create_user';
      if (!created)
        await call(server, 'POST', 'users/', {
          ...given,
          meta: JSON.stringify(given.meta),
        });
      const before = (await call(server, 'GET', path)).body.data;
      const user = await db.selectFrom('users').selectAll().executeTakeFirst();
      const outboxBefore = server.outbox.length;
      const token =
        called === 'get_user_by_token'
          ? (await server.app.get<Database>(DATABASE).unit((unit) =>
              server.app.get(Tokens).issue(unit, user!, {
                epoch: user!.epoch,
                method: 'totp',
              }),
            ))!
          : '';
      const answer = await sendRaw(
        server.accessPoint,
        request
          .replaceAll('{host}', new URL(server.accessPoint).host)
          .replaceAll('{basic}', btoa(`:${server.apiKey}`))
          .replaceAll('{key}', server.apiKey)
          // Of the same length, so that the Content-Length stays right.
          .replaceAll('123456', before ? server.totp(before.key) : '123456')
          .replaceAll(/gatA{32}/g, token),
      );
      expect([answer.status, answer.body]).toEqual([
        created ? 201 : 200,
        expect.any(String),
      ]);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      const body = JSON.parse(answer.body);
      expect(body).toEqual({
        data: expect.anything(),
        request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
        server_time: expect.any(String),
      });
      const after = (await call(server, 'GET', path)).body.data;
      switch (called) {
        case 'create_user':
          expect(body.data).toMatchObject(given);
          expect(after).toEqual(body.data);
          break;
        case 'update_user': {
          // One field was set; Java sends the others empty.
          const email =
            field(request, 'email') || /"email":"(.+?)"/.exec(request)![1];
          expect(email).not.toBe(given.email);
          const { epoch } = body.data;
          expect(epoch).not.toBe(before.epoch);
          expect(body.data).toEqual({ ...before, email, epoch });
          expect(after).toEqual(body.data);
          break;
        }
        case 'get_user':
          expect(body.data).toEqual(before);
          expect(after).toEqual(before);
          break;
        case 'get_user_by_token':
          expect(body.data).toEqual({ ...before, method: 'totp' });
          expect(after).toEqual(before);
          break;
        case 'get_all_users':
          expect(body.data).toEqual([before]);
          break;
        case 'delete_user':
          expect(body.data).toEqual(before);
          expect(after).toBeUndefined();
          break;
        case 'check_auth':
          expect(body.data).toMatchObject({
            unique_id: given.unique_id,
            authenticated: true,
          });
          expect(after).toEqual({ ...before, enrolled: true });
          break;
        case 'send_email':
        case 'send_sms':
        case 'send_voice': {
          expect(body.data).toEqual(before);
          expect(server.outbox).toHaveLength(outboxBefore + 1);
          const channel = called.slice('send_'.length);
          expect(server.outbox[0]).toMatchObject({
            channel,
            to: channel === 'email' ? given.email : before[`${channel}_number`],
            uniqueId: given.unique_id,
          });
          break;
        }
        case 'api_errors':
          expect(body.data).toMatchObject({ '500': expect.any(String) });
          break;
        default:
          throw new Error(`Nobody said what ${called} answers`);
      }
    },
  );
});

describe.each(ADAPTERS)('check/ for old clients on %s', (name) => {
  it('accepts otp as auth_code, which takes precedence', async () => {
    const server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
    });
    const user = { unique_id: 'jane', display_name: 'Jane' };
    const { key } = (await call(server, 'POST', 'users/', user)).body.data;
    const authenticated = async (params: Record<string, string>) =>
      (await call(server, 'POST', 'check/', { unique_id: 'jane', ...params }))
        .body.data.authenticated;
    const [right, next] = [server.totp(key), server.totp(key, 1)];
    expect(await authenticated({ otp: right, auth_code: 'x' })).toBe(false);
    expect(await authenticated({ otp: right })).toBe(true);
    expect(await authenticated({ otp: next, auth_code: '' })).toBe(true);
    await server.close();
  });

  it.each([
    ['error', [402, 'too_many_attempts'], [402, 'user_locked']],
    ['false', [200, false], [200, false]],
  ] as const)(
    'answers a right code of a user who waits or is locked as whileLocked says: %s',
    async (whileLocked, waiting, locked) => {
      const server = await GAuthifyTestServer.start({
        adapter: await adapter(name),
        whileLocked,
        security: { freeAttempts: 2, lockAfterAttempts: 3 },
      });
      const user = { unique_id: 'jane', display_name: 'Jane' };
      const { key } = (await call(server, 'POST', 'users/', user)).body.data;
      const check = async (auth_code: string) => {
        const params = { unique_id: 'jane', auth_code };
        const headers = { 'idempotency-key': randomUUID() };
        const { status, body } = await call(server, 'POST', 'check/', params, {
          headers,
        });
        return [status, body.error_code ?? body.data.authenticated];
      };
      const wrong = wrongCode(server, key);
      expect(await check(wrong)).toEqual([200, false]);
      expect(await check(wrong)).toEqual([200, false]);
      expect(await check(server.totp(key))).toEqual(waiting);
      server.advance(60);
      expect(await check(wrongCode(server, key))).toEqual([200, false]);
      server.advance(60);
      expect(await check(server.totp(key))).toEqual(locked);
      await server.close();
    },
  );
});
