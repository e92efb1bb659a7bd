/** The calls about factors: what they send, and what a real server makes of it. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConflictError,
  GAuthifyFactor,
  type GAuthifyService,
  GAuthifyUser,
  NewGAuthifyFactor,
  NotFoundError,
  ParameterError,
  RateLimitError,
  ServerError,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  firstValueFrom as first,
  lastValueFrom,
  type Observable,
  toArray,
} from 'rxjs';
import { data, hangUp, wireUser } from '../helpers/access-point.js';
import { adapter, ADAPTERS, wrongCode } from '../helpers/api.js';
import { accessPoint, client, clientOf, failureOf } from '../helpers/client.js';
import { lossyProxy } from '../helpers/lossy-proxy.js';

type Call = (gauthify: GAuthifyService) => Observable<unknown>;

describe.each(ADAPTERS)('the factors of a user at the server on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  let made = 0;
  async function start() {
    const gauthify = await client([server.accessPoint], {
      apiKey: server.apiKey,
    });
    const uniqueId = `user ${++made}/ü@example.com`;
    const user = await first(
      gauthify.createUser({ uniqueId, displayName: 'Jane' }),
    );
    const check = (code: string) => first(gauthify.check(uniqueId, code));
    return { gauthify, uniqueId, user, check };
  }

  it('are created, listed, renamed and deleted', async () => {
    const { gauthify, uniqueId, user, check } = await start();
    const app = await first(
      gauthify.createFactor(uniqueId, { kind: 'totp', name: 'Tablet & Co' }),
    );
    expect(app).toBeInstanceOf(NewGAuthifyFactor);
    const { key, otpauthUri, qr, ...shown } = app;
    expect(shown).toEqual({
      id: expect.any(String),
      kind: 'totp',
      name: 'Tablet & Co',
      state: 'pending',
      createdAt: expect.stringMatching(/^\d{4}-.+Z$/),
      lastUsedAt: null,
      expiresAt: expect.stringMatching(/^\d{4}-.+Z$/),
    });
    expect(new URL(otpauthUri).searchParams.get('secret')).toBe(key);
    expect(qr).toMatch(/^<svg /);
    expect(await check(server.totp(key))).toMatchObject({ method: 'totp' });
    expect(await check(server.totp(user.key))).toMatchObject({
      method: 'totp',
    });
    const factors = await first(gauthify.getFactors(uniqueId));
    expect(factors.map(({ kind, state }) => [kind, state])).toEqual([
      ['totp', 'active'],
      ['otp', 'active'],
      ['totp', 'active'],
    ]);
    for (const factor of factors) expect(factor).toBeInstanceOf(GAuthifyFactor);
    const renamed = await first(
      gauthify.updateFactor(uniqueId, app.id, { name: 'Tablet' }),
    );
    expect(renamed).toEqual({ ...factors[2], name: 'Tablet' });
    expect(
      await first(gauthify.updateFactor(uniqueId, app.id, { name: null })),
    ).toEqual({ ...factors[2], name: null });
    expect(await first(gauthify.deleteFactor(uniqueId, app.id))).toBe(true);
    expect(await first(gauthify.getFactors(uniqueId))).toEqual(
      factors.slice(0, 2),
    );
    const after = await first(gauthify.getUser(uniqueId));
    expect(after.epoch).not.toBe(user.epoch);
    await expect(
      first(gauthify.deleteFactor(uniqueId, app.id)),
    ).rejects.toMatchObject({ errorCode: 'factor_not_found' });
    await expect(
      first(gauthify.deleteFactor(uniqueId, factors[0]!.id)),
    ).rejects.toBeInstanceOf(ConflictError);
  });

  it('take the algorithm, digits and period of createFactor', async () => {
    const { gauthify, uniqueId } = await start();
    const { otpauthUri, name: none } = await first(
      gauthify.createFactor(uniqueId, {
        kind: 'totp',
        name: null,
        algorithm: 'SHA256',
        digits: 8,
        period: 60,
      }),
    );
    expect(none).toBeNull();
    const { searchParams } = new URL(otpauthUri);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      algorithm: 'SHA256',
      digits: '8',
      period: '60',
    });
  });

  it('include recovery codes, each of which works once', async () => {
    const { gauthify, uniqueId, check } = await start();
    const codes = await first(gauthify.renewRecoveryCodes(uniqueId));
    expect(codes).toHaveLength(10);
    expect(await check(codes[0]!)).toMatchObject({
      authenticated: true,
      method: 'recovery',
    });
    expect(await check(codes[0]!)).toMatchObject({ authenticated: false });
    expect(
      await first(gauthify.checkAuth(uniqueId, codes[1]!.toUpperCase())),
    ).toBe(true);
    const user = await first(gauthify.getUser(uniqueId));
    expect(user.recoveryCodesLeft).toBe(8);
    await first(gauthify.renewRecoveryCodes(uniqueId));
    expect(await check(codes[2]!)).toMatchObject({ authenticated: false });
  });

  it('unlockUser ends the wait', async () => {
    const { gauthify, uniqueId, user, check } = await start();
    for (let i = 0; i < 5; i++) await check(wrongCode(server, user.key));
    await expect(check(user.otp)).rejects.toBeInstanceOf(RateLimitError);
    const unlocked = await first(gauthify.unlockUser(uniqueId));
    expect(unlocked).toBeInstanceOf(GAuthifyUser);
    expect(unlocked).toEqual(user);
    expect(await check(user.otp)).toMatchObject({ method: 'otp' });
  });

  it.each<[string, Call]>([
    ['getFactors', (g) => g.getFactors('nobody')],
    ['createFactor', (g) => g.createFactor('nobody', { kind: 'totp' })],
    ['updateFactor', (g) => g.updateFactor('nobody', 'x', { name: 'x' })],
    ['deleteFactor', (g) => g.deleteFactor('nobody', 'x')],
    ['renewRecoveryCodes', (g) => g.renewRecoveryCodes('nobody')],
    ['unlockUser', (g) => g.unlockUser('nobody')],
  ])('are a NotFoundError of an unknown user, by %s', async (_, act) => {
    const { gauthify } = await start();
    const error = await failureOf(first(act(gauthify)));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error.errorCode).toBe('user_not_found');
  });

  it('are created once, and recovery codes work, where the first answer is lost', async () => {
    const { uniqueId, check } = await start();
    const a = await lossyProxy(server.accessPoint);
    const b = await lossyProxy(server.accessPoint);
    const gauthify = await client([a.url, b.url], { apiKey: server.apiKey });
    await first(gauthify.getUser(uniqueId));
    a.loses = ({ method }) => method === 'POST';
    const app = await first(gauthify.createFactor(uniqueId, { kind: 'totp' }));
    expect(await check(server.totp(app.key))).toMatchObject({ method: 'totp' });
    expect(await first(gauthify.getFactors(uniqueId))).toHaveLength(3);
    const [code] = await first(gauthify.renewRecoveryCodes(uniqueId));
    expect(await check(code!)).toMatchObject({ method: 'recovery' });
  });
});

const FACTOR = {
  id: 'f-1',
  kind: 'totp',
  name: null,
  state: 'pending',
  created_at: '2026-01-01T00:00:00.000Z',
  last_used_at: null,
};
const NEW = {
  ...FACTOR,
  unique_id: 'a/b',
  key: 'KEY',
  otpauth_uri: 'o',
  qr: 'q',
};

describe('a call', () => {
  it.each<[string, Call, string, string, unknown]>([
    [
      'getFactors',
      (g) => g.getFactors('a/b'),
      'GET users/a%2Fb/factors/',
      '',
      [FACTOR],
    ],
    [
      'createFactor',
      (g) => g.createFactor('a/b', { kind: 'totp', digits: 8 }),
      'POST users/a%2Fb/factors/',
      'kind=totp&digits=8',
      NEW,
    ],
    [
      'updateFactor',
      (g) => g.updateFactor('a/b', 'f/1', { name: 'x' }),
      'PUT users/a%2Fb/factors/f%2F1/',
      'name=x',
      FACTOR,
    ],
    [
      'updateFactor that clears the name',
      (g) => g.updateFactor('a/b', 'f/1', { name: null }),
      'PUT users/a%2Fb/factors/f%2F1/',
      '{"name":null}',
      FACTOR,
    ],
    [
      'deleteFactor',
      (g) => g.deleteFactor('a/b', 'f/1'),
      'DELETE users/a%2Fb/factors/f%2F1/',
      '',
      FACTOR,
    ],
    [
      'renewRecoveryCodes',
      (g) => g.renewRecoveryCodes('a/b'),
      'POST users/a%2Fb/recovery_codes/',
      '',
      { unique_id: 'a/b', recovery_codes: ['abcde-fghij'] },
    ],
    [
      'unlockUser',
      (g) => g.unlockUser('a/b'),
      'POST users/a%2Fb/unlock/',
      '',
      wireUser({ unique_id: 'a/b' }),
    ],
  ])('%s is one request per subscription, and one value', async (...row) => {
    const [, act, request, body, answer] = row;
    const { gauthify, server } = await clientOf(data(answer));
    const call$ = act(gauthify);
    expect(server.seen).toEqual([]);
    expect(await lastValueFrom(call$.pipe(toArray()))).toHaveLength(1);
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      request.replace(' ', ' /v1/'),
    ]);
    expect(server.seen[0]!.body).toBe(body);
    const isRead = request.startsWith('GET');
    expect(server.seen[0]!.headers['idempotency-key'] === undefined).toBe(
      isRead,
    );
  });

  it.each<[string, Call]>([
    ['uniqueId must not be empty', (g) => g.getFactors('')],
    ['uniqueId must not be "." or ".."', (g) => g.unlockUser('..')],
    ['uniqueId is missing', (g) => g.renewRecoveryCodes(undefined as never)],
    [
      'CreateFactorDto must be an object',
      (g) => g.createFactor('a', 'totp' as never),
    ],
    ['kind must be "totp"', (g) => g.createFactor('a', {} as never)],
    [
      'digits must be 6 or 8',
      (g) => g.createFactor('a', { kind: 'totp', digits: 7 as never }),
    ],
    [
      'period must be 30 or 60',
      (g) => g.createFactor('a', { kind: 'totp', period: 15 as never }),
    ],
    [
      'algorithm must be SHA1',
      (g) => g.createFactor('a', { kind: 'totp', algorithm: 'MD5' as never }),
    ],
    [
      'name must be at most 255',
      (g) => g.createFactor('a', { kind: 'totp', name: 'x'.repeat(256) }),
    ],
    ['name is missing', (g) => g.updateFactor('a', 'f', {} as never)],
    ['factorId must not be empty', (g) => g.deleteFactor('a', '')],
    // The path of the user: the call would delete them.
    ['factorId must not be "." or ".."', (g) => g.deleteFactor('a', '..')],
    [
      'factorId must be a string',
      (g) => g.updateFactor('a', {} as never, { name: 'x' }),
    ],
  ])('with a bad argument sends nothing: %s', async (message, act) => {
    const { gauthify, server } = await clientOf(data(NEW));
    const error = await failureOf(first(act(gauthify)));
    expect(error).toBeInstanceOf(ParameterError);
    expect(error.message).toContain(message);
    expect(server.seen).toEqual([]);
  });

  it.each<[string, unknown, Call]>([
    ['null for the factors', null, (g) => g.getFactors('a')],
    ['a list of no factors', [null], (g) => g.getFactors('a')],
    ['a list for a factor', [], (g) => g.updateFactor('a', 'f', { name: 'x' })],
    [
      'null for a new factor',
      null,
      (g) => g.createFactor('a', { kind: 'totp' }),
    ],
    ['no recovery codes', {}, (g) => g.renewRecoveryCodes('a')],
    [
      'the factor of another user',
      NEW,
      (g) => g.createFactor('a', { kind: 'totp' }),
    ],
    [
      'the recovery codes of another user',
      { unique_id: 'a/b', recovery_codes: ['abcde-fghij'] },
      (g) => g.renewRecoveryCodes('a'),
    ],
    ['another user', wireUser({ unique_id: 'a/b' }), (g) => g.unlockUser('a')],
  ])('answered with %s is a ServerError', async (_, answer, act) => {
    const { gauthify } = await clientOf(data(answer));
    expect(await failureOf(first(act(gauthify)))).toBeInstanceOf(ServerError);
  });

  it.each<[string, Call, unknown, 'next' | 'stop']>([
    ['getFactors', (g) => g.getFactors('a'), [FACTOR], 'next'],
    [
      'createFactor',
      (g) => g.createFactor('a', { kind: 'totp' }),
      FACTOR,
      'stop',
    ],
    [
      'updateFactor',
      (g) => g.updateFactor('a', 'f', { name: 'x' }),
      FACTOR,
      'next',
    ],
    ['deleteFactor', (g) => g.deleteFactor('a', 'f'), FACTOR, 'next'],
    [
      'renewRecoveryCodes',
      (g) => g.renewRecoveryCodes('a'),
      { recovery_codes: [] },
      'stop',
    ],
    [
      'unlockUser',
      (g) => g.unlockUser('a'),
      wireUser({ unique_id: 'a' }),
      'next',
    ],
  ])(
    'whose answer is lost, of servers that share nothing: %s',
    async (_, act, answer, decision) => {
      const one = await accessPoint((response, request, socket) =>
        (request.url.endsWith('/errors/') ? data({}) : hangUp)(
          response,
          request,
          socket,
        ),
      );
      const two = await accessPoint(data(answer));
      const gauthify = await client([one, two]);
      const outcome = await first(act(gauthify)).then(
        () => 'next',
        () => 'stop',
      );
      expect(outcome).toBe(decision);
    },
  );
});
