/** `users/{id}/factors/`, `recovery_codes/` and `unlock/`: the calls themselves. What `check/` does with the factors is in `factor-codes`. */
import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  adapter,
  ADAPTERS,
  call,
  check,
  createUser,
  ezToken,
  wrongCode,
} from '../helpers/api.js';

const OTHER_REALM = randomBytes(16).toString('hex');
const UUID = /^[0-9a-f-]{36}$/;

describe.each(ADAPTERS)('factors on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      apiKeys: [{ realm: 'other', key: OTHER_REALM }],
    });
  });
  afterAll(() => server.close());
  // At the beginning of a step, so that none ends between making a code and checking it.
  beforeEach(() => server.advance(30 - (Math.floor(server.now() / 1000) % 30)));

  const pathOf = (user: any) => `users/${user.unique_id}/factors/`;
  const list = async (user: any): Promise<any[]> =>
    (await call(server, 'GET', pathOf(user))).body.data;
  const add = async (user: any, params: Record<string, string> = {}) => {
    const wanted = { kind: 'totp', ...params };
    return (await call(server, 'POST', pathOf(user), wanted)).body.data;
  };
  const show = async (user: any) =>
    (await call(server, 'GET', `users/${user.unique_id}/`)).body.data;
  const remove = (user: any, { id }: any) =>
    call(server, 'DELETE', `${pathOf(user)}${id}/`);
  /** Gives the right code of an authenticator app. */
  const use = async (user: any, { key }: any) =>
    expect(await check(server, user.unique_id, server.totp(key))).toMatchObject(
      { authenticated: true },
    );

  it('lists the authenticator app and the one-time passes that every user has', async () => {
    const user = await createUser(server);
    await use(user, user);
    const common = {
      id: expect.stringMatching(UUID),
      name: null,
      expires_at: null,
    };
    const created_at = user.created_at;
    expect(await list(user)).toEqual([
      {
        ...common,
        kind: 'totp',
        state: 'active',
        created_at,
        last_used_at: expect.stringMatching(/^\d{4}-.+Z$/),
      },
      {
        ...common,
        kind: 'otp',
        state: 'active',
        created_at,
        last_used_at: null,
      },
    ]);
  });

  it('creates an authenticator app, which is pending until its first right code', async () => {
    const user = await createUser(server);
    const { status, body } = await call(server, 'POST', pathOf(user), {
      kind: 'totp',
      name: 'Work phone',
    });
    expect(status).toBe(201);
    const { key, otpauth_uri, qr, unique_id, epoch, ...factor } = body.data;
    expect(factor).toMatchObject({
      name: 'Work phone',
      kind: 'totp',
      state: 'pending',
      last_used_at: null,
    });
    expect({ unique_id, epoch }).toEqual({
      unique_id: user.unique_id,
      epoch: user.epoch,
    });
    expect(key).toMatch(/^[A-Z2-7]{32}$/);
    expect(otpauth_uri).toContain(`secret=${key}`);
    expect(qr).toMatch(/^<svg /);
    expect(await list(user)).toContainEqual(factor);
    expect((await show(user)).key).toBe(user.key);
    await use(user, { key });
    const used = (await list(user)).find(({ id }) => id === factor.id);
    expect(used).toMatchObject({ state: 'active' });
    expect(Date.parse(used.last_used_at)).not.toBeNaN();
    expect((await show(user)).enrolled).toBe(true);
  });

  it('lists factors in the order in which they were created, ten apps at most', async () => {
    const user = await createUser(server);
    for (let i = 2; i <= 10; i++) await add(user, { name: `App ${i}` });
    const apps = (await list(user)).filter(({ kind }) => kind === 'totp');
    expect(apps.map((app) => app.name)).toEqual([
      null,
      ...Array.from({ length: 9 }, (_, i) => `App ${i + 2}`),
    ]);
    expect((await show(user)).key).toBe(user.key);
    const { status, body } = await call(server, 'POST', pathOf(user), {
      kind: 'totp',
    });
    expect([status, body.error_code]).toEqual([409, 'too_many_factors']);
    await remove(user, apps[5]);
    expect(await add(user)).toMatchObject({ state: 'pending' });
  });

  it('creates one app more at most, however many requests arrive at once', async () => {
    const user = await createUser(server);
    for (let i = 2; i < 10; i++) await add(user);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        call(server, 'POST', pathOf(user), { kind: 'totp' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([
      201, 409, 409, 409, 409,
    ]);
  });

  it('renames a factor, clears its name, and leaves everything else', async () => {
    const user = await createUser(server);
    const before = await list(user);
    const path = `${pathOf(user)}${before[0].id}/`;
    const named = await call(server, 'PUT', path, { name: 'Täglich' });
    expect(named.body.data).toEqual({ ...before[0], name: 'Täglich' });
    expect((await list(user))[0].name).toBe('Täglich');
    const { body } = await call(server, 'PUT', path, undefined, {
      body: JSON.stringify({ name: null }),
      headers: { 'content-type': 'application/json' },
    });
    expect(body.data).toEqual(before[0]);
    expect(await list(user)).toEqual(before);
    expect((await show(user)).epoch).toBe(user.epoch);
  });

  it.each<[Record<string, string>, string]>([
    [{}, 'kind must be "totp"'],
    [{ kind: '' }, 'kind must be "totp"'],
    [{ kind: 'recovery' }, 'kind must be "totp"'],
    [{ kind: 'totp', name: 'x'.repeat(256) }, 'name must be at most 255'],
    [
      { kind: 'totp', name: 'a\nb' },
      'name must not contain control characters',
    ],
    [{ kind: 'totp', algorithm: 'MD5' }, 'algorithm must be SHA1, SHA256 or'],
    [{ kind: 'totp', digits: '7' }, 'digits must be 6 or 8'],
    [{ kind: 'totp', period: '1' }, 'period must be 30 or 60'],
  ])('does not create %j', async (params, message) => {
    const user = await createUser(server);
    const { status, body } = await call(server, 'POST', pathOf(user), params);
    expect([status, body.error_code, body.error_message]).toEqual([
      406,
      'invalid_parameter',
      expect.stringContaining(message),
    ]);
    expect(await list(user)).toHaveLength(2);
  });

  it.each<Record<string, string>>([{}, { name: '' }, { name: 'a\u0000b' }])(
    'does not rename to %j',
    async (params) => {
      const user = await createUser(server);
      const [{ id }] = await list(user);
      const path = `${pathOf(user)}${id}/`;
      const { status, body } = await call(server, 'PUT', path, params);
      expect([status, body.error_code]).toEqual([406, 'invalid_parameter']);
    },
  );

  it.each(['PUT', 'DELETE'])(
    '%s finds no factor that is unknown, of another user or a recovery code',
    async (method) => {
      const [jane, joe] = [await createUser(server), await createUser(server)];
      const own = await add(joe);
      for (const id of [randomUUID(), 'nobody', '%zz', '%00', own.id]) {
        const { status, body } = await call(
          server,
          method,
          `${pathOf(jane)}${id}/`,
          { name: 'x' },
        );
        expect([id, status, body.error_code]).toEqual([
          id,
          404,
          'factor_not_found',
        ]);
      }
      expect((await list(joe)).at(-1)).toMatchObject({ name: null });
    },
  );

  it('reaches nobody of another realm', async () => {
    const user = await createUser(server);
    const { id } = await add(user);
    const before = await list(user);
    for (const [method, path, params] of [
      ['GET', 'factors/', undefined],
      ['POST', 'factors/', { kind: 'totp' }],
      ['PUT', `factors/${id}/`, { name: 'x' }],
      ['DELETE', `factors/${id}/`, undefined],
      ['POST', 'recovery_codes/', {}],
      ['POST', 'unlock/', {}],
    ] as const) {
      const url = `users/${user.unique_id}/${path}`;
      const { status, body } = await call(server, method, url, params, {
        headers: { authorization: OTHER_REALM },
      });
      expect([url, status, body.error_code]).toEqual([
        url,
        404,
        'user_not_found',
      ]);
    }
    expect(await list(user)).toEqual(before);
    expect((await show(user)).recovery_codes_left).toBe(0);
  });

  it('finds users whose id has slashes, percent-encoded or not, and one whose id ends in /factors', async () => {
    const nested = await createUser(server, { unique_id: `${name}/a/b` });
    const ids = (await list(nested)).map(({ id }) => id);
    const encoded = { unique_id: encodeURIComponent(nested.unique_id) };
    expect((await list(encoded)).map(({ id }) => id)).toEqual(ids);
    const odd = await createUser(server, { unique_id: `${name}/factors` });
    expect(
      await show({ unique_id: encodeURIComponent(odd.unique_id) }),
    ).toMatchObject({ unique_id: odd.unique_id });
  });

  describe('deleting', () => {
    it('an app ends its codes, and key then shows the oldest that is left', async () => {
      const user = await createUser(server);
      const second = await add(user);
      await use(user, user);
      await use(user, second);
      const [first] = await list(user);
      server.advance(30);
      expect(await remove(user, first)).toMatchObject({
        status: 200,
        body: { data: { ...first } },
      });
      expect((await show(user)).key).toBe(second.key);
      expect(
        await check(server, user.unique_id, server.totp(user.key)),
      ).toMatchObject({ authenticated: false });
      await use(user, second);
    });

    it('an app in use changes the epoch, and ends tokens; a pending one does not', async () => {
      const user = await createUser(server);
      const [used, pending] = [await add(user), await add(user)];
      await use(user, used);
      const token = await ezToken(user, server.totp(user.key));
      await remove(user, pending);
      expect((await show(user)).epoch).toBe(user.epoch);
      await remove(user, used);
      expect((await show(user)).epoch).not.toBe(user.epoch);
      expect((await call(server, 'POST', 'token/', { token })).status).toBe(
        404,
      );
    });

    it('is refused for the only app, the last one in use, and one-time passes', async () => {
      const user = await createUser(server);
      const refuses = async (factor: any) => {
        const { status, body } = await remove(user, factor);
        expect([status, body.error_code]).toEqual([409, 'factor_needed']);
      };
      const factors = await list(user);
      for (const factor of factors) await refuses(factor);
      await use(user, user);
      await add(user);
      for (const factor of factors) await refuses(factor);
      expect((await show(user)).epoch).toBe(user.epoch);
    });

    it('two apps at once leaves one', async () => {
      const user = await createUser(server);
      const second = await add(user);
      await use(user, user);
      await use(user, second);
      const apps = (await list(user)).filter(({ kind }) => kind === 'totp');
      const answers = await Promise.all(apps.map((app) => remove(user, app)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    });
  });

  describe('repeated with the same Idempotency-Key', () => {
    const repeated = (method: string, path: string, params?: any) => {
      const headers = { 'idempotency-key': randomUUID() };
      return () => call(server, method, path, params, { headers });
    };

    it('each call answers the same, and acts once', async () => {
      const user = await createUser(server);
      const twice = async (act: ReturnType<typeof repeated>) => {
        const [first, again] = [await act(), await act()];
        expect(again.status).toBe(first.status);
        expect(again.body.data).toEqual(first.body.data);
        return first.body.data;
      };
      const params = { kind: 'totp', name: 'One' };
      const made = await twice(repeated('POST', pathOf(user), params));
      expect(await list(user)).toHaveLength(3);
      const path = `${pathOf(user)}${made.id}/`;
      await twice(repeated('PUT', path, { name: 'Two' }));
      await twice(repeated('DELETE', path));
      expect(await list(user)).toHaveLength(2);
      const base = `users/${user.unique_id}/`;
      const { recovery_codes } = await twice(
        repeated('POST', `${base}recovery_codes/`, {}),
      );
      expect(
        await check(server, user.unique_id, recovery_codes[0]),
      ).toMatchObject({ authenticated: true });
      await twice(repeated('POST', `${base}unlock/`, {}));
    });

    it('no secret is answered after the user was reset', async () => {
      const user = await createUser(server);
      const acts = [
        repeated('POST', pathOf(user), { kind: 'totp' }),
        repeated('POST', `users/${user.unique_id}/recovery_codes/`, {}),
      ];
      for (const act of acts) expect((await act()).status).toBe(201);
      await call(server, 'PUT', `users/${user.unique_id}/`, { reset_key: '1' });
      for (const act of acts)
        expect((await act()).body).toMatchObject({
          error_code: 'user_changed',
        });
    });

    it('a key of one call is refused for another', async () => {
      const user = await createUser(server);
      const headers = { 'idempotency-key': randomUUID() };
      const path = `users/${user.unique_id}/`;
      await call(server, 'POST', `${path}unlock/`, {}, { headers });
      const { body } = await call(
        server,
        'POST',
        `${path}recovery_codes/`,
        {},
        { headers },
      );
      expect(body.error_code).toBe('idempotency_key_reused');
    });
  });

  describe('unlock/', () => {
    it('ends the wait and the lock, with the same secret and epoch', async () => {
      const user = await createUser(server);
      const wrong = () =>
        check(server, user.unique_id, wrongCode(server, user.key));
      for (let i = 0; i < 5; i++) await wrong();
      expect(await wrong()).toMatchObject({ error_code: 'too_many_attempts' });
      const { status, body } = await call(
        server,
        'POST',
        `users/${user.unique_id}/unlock/`,
      );
      expect([status, body.data]).toEqual([200, user]);
      await use(user, user);
    });

    it('unlocks a user after 100 wrong codes', async () => {
      const user = await createUser(server);
      for (let i = 0; i < 100; i++) {
        await check(server, user.unique_id, wrongCode(server, user.key));
        server.advance(3600);
      }
      expect(
        await check(server, user.unique_id, server.totp(user.key)),
      ).toMatchObject({ error_code: 'user_locked' });
      await call(server, 'POST', `users/${user.unique_id}/unlock/`);
      await use(user, user);
    });
  });

  it.each(['factors/', 'recovery_codes/', 'unlock/'])(
    'POST users/nobody/%s is 404 user_not_found',
    async (path) => {
      const { status, body } = await call(
        server,
        'POST',
        `users/nobody/${path}`,
        { kind: 'totp' },
      );
      expect([status, body.error_code]).toEqual([404, 'user_not_found']);
    },
  );
});
