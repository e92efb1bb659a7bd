/** What `check/` accepts from users with several factors. */
import 'reflect-metadata';
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from '@jest/globals';
import { Secret, TOTP } from 'otpauth';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import {
  call,
  check,
  createUser,
  enterOnEzPage,
  wrongCode,
} from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());
// At the beginning of a step, so that none ends between making a code and checking it.
beforeEach(() => server.advance(60 - (Math.floor(server.now() / 1000) % 60)));

const add = async (user: any, params: Record<string, string> = {}) => {
  const path = `users/${user.unique_id}/factors/`;
  const { body } = await call(server, 'POST', path, {
    kind: 'totp',
    ...params,
  });
  return body.data;
};
const show = async (user: any) =>
  (await call(server, 'GET', `users/${user.unique_id}/`)).body.data;
const list = async (user: any): Promise<any[]> =>
  (await call(server, 'GET', `users/${user.unique_id}/factors/`)).body.data;
const renew = async (user: any): Promise<string[]> => {
  const path = `users/${user.unique_id}/recovery_codes/`;
  const { status, body } = await call(server, 'POST', path);
  expect(status).toBe(201);
  return body.data.recovery_codes;
};
/** The kind of a right code, `null` if it is wrong. */
const methodOf = async (user: any, code: string) => {
  const answer = await check(server, user.unique_id, code);
  expect(answer.authenticated).toBe(answer.method !== null);
  return answer.method;
};

/** The code that an app which read the QR code shows; the parameters are those of its URI. */
function codeOf({ otpauth_uri }: any, stepsAhead = 0): string {
  const { searchParams } = new URL(otpauth_uri);
  const period = Number(searchParams.get('period') ?? 30);
  return new TOTP({
    secret: Secret.fromBase32(searchParams.get('secret')!),
    algorithm: searchParams.get('algorithm') ?? 'SHA1',
    digits: Number(searchParams.get('digits') ?? 6),
    period,
  }).generate({ timestamp: server.now() + stepsAhead * period * 1000 });
}

const KINDS = ['SHA1', 'SHA256', 'SHA512'].flatMap((algorithm) =>
  ['6', '8'].flatMap((digits) =>
    ['30', '60'].map((period) => ({ algorithm, digits, period })),
  ),
);

describe('a code of an app with', () => {
  it.each(KINDS)('$algorithm, $digits digits and $period s', async (kind) => {
    const user = await createUser(server);
    const app = await add(user, kind);
    expect(codeOf(app)).toHaveLength(Number(kind.digits));
    for (const steps of [-1, 0, 1]) {
      expect(await methodOf(user, codeOf(app, steps))).toBe('totp');
      expect(await methodOf(user, codeOf(app, steps))).toBeNull();
    }
    for (const steps of [-2, 2])
      expect(await methodOf(user, codeOf(app, steps))).toBeNull();
    expect((await list(user)).find(({ id }) => id === app.id).state).toBe(
      'active',
    );
  });
});

it('accepts the codes of ten apps, the one-time pass and sent codes of one user, each once', async () => {
  const user = await createUser(server, {
    email: 'many@example.com',
    sms_number: '9162627232',
  });
  const apps = [user];
  for (const kind of KINDS.slice(3)) apps.push(await add(user, kind));
  expect(apps).toHaveLength(10);
  const { unique_id } = user;
  await call(server, 'POST', 'email/', { unique_id });
  const byEmail = server.lastCode('many@example.com');
  await call(server, 'POST', 'sms/', { unique_id });
  const bySms = server.lastCode('+19162627232');
  const [recovery] = await renew(user);
  const codes: [code: string, method: string][] = [
    ...apps.map((app): [string, string] => [codeOf(app), 'totp']),
    [user.otp, 'otp'],
    [byEmail, 'email'],
    [bySms, 'sms'],
    [recovery!, 'recovery'],
  ];
  for (const [code, method] of codes)
    expect(await methodOf(user, code)).toBe(method);
  // Five at a time: after five wrong codes the user would have to wait.
  for (const [code] of codes) {
    expect(await methodOf(user, code)).toBeNull();
    await call(server, 'POST', `users/${unique_id}/unlock/`);
  }
});

it('accepts each of several codes once, of 20 requests at the same moment', async () => {
  const user = await createUser(server);
  const app = await add(user, { algorithm: 'SHA512', digits: '8' });
  const [recovery] = await renew(user);
  for (const [code, method] of [
    [codeOf(user), 'totp'],
    [codeOf(app), 'totp'],
    [user.otp, 'otp'],
    [recovery!, 'recovery'],
  ] as const) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => check(server, user.unique_id, code)),
    );
    const right = answers.filter(({ authenticated }) => authenticated === true);
    expect(right.map((answer) => answer.method)).toEqual([method]);
    await call(server, 'POST', `users/${user.unique_id}/unlock/`);
  }
});

it('activates a pending app with its first right code alone', async () => {
  const user = await createUser(server);
  const [first, second] = [await add(user), await add(user)];
  expect(await methodOf(user, codeOf(first, 5))).toBeNull();
  expect(await methodOf(user, user.otp)).toBe('otp');
  const stateOf = async ({ id }: any) =>
    (await list(user)).find((factor) => factor.id === id).state;
  expect(await stateOf(first)).toBe('pending');
  expect(await methodOf(user, codeOf(first))).toBe('totp');
  expect(await stateOf(first)).toBe('active');
  expect(await stateOf(second)).toBe('pending');
});

it('counts failures of the user, not of a factor', async () => {
  const user = await createUser(server);
  const app = await add(user, { digits: '8' });
  const [recovery] = await renew(user);
  const wrong = [
    wrongCode(server, user.key),
    codeOf(app, 5),
    'aaaaa-aaaaa',
    wrongCode(server, user.key),
    codeOf(app, -5),
  ];
  for (const code of wrong) expect(await methodOf(user, code)).toBeNull();
  for (const code of [codeOf(user), codeOf(app), user.otp, recovery!])
    expect(await check(server, user.unique_id, code)).toMatchObject({
      error_code: 'too_many_attempts',
    });
  server.advance(5);
  expect(await methodOf(user, codeOf(app))).toBe('totp');
  // The right code of one factor forgives the wrong ones of all.
  for (const code of wrong.slice(0, 4))
    expect(await methodOf(user, code)).toBeNull();
  expect(await methodOf(user, codeOf(user))).toBe('totp');
});

it('resets the first app and the one-time pass with reset_key, and leaves the others', async () => {
  const user = await createUser(server);
  const app = await add(user, { name: 'Second' });
  const [recovery] = await renew(user);
  expect(await methodOf(user, codeOf(user))).toBe('totp');
  expect(await methodOf(user, codeOf(app))).toBe('totp');
  const before = await list(user);
  const { body } = await call(server, 'PUT', `users/${user.unique_id}/`, {
    reset_key: '1',
  });
  const reset = body.data;
  expect(reset.key).not.toBe(user.key);
  expect(reset.otp).not.toBe(user.otp);
  const after = await list(user);
  expect(after).toEqual([
    { ...before[0], state: 'pending', last_used_at: null },
    before[1],
    before[2],
  ]);
  server.advance(30);
  expect(await methodOf(user, codeOf(user))).toBeNull();
  expect(await methodOf(user, user.otp)).toBeNull();
  expect(await methodOf(user, codeOf(app))).toBe('totp');
  expect(await methodOf(user, codeOf(reset))).toBe('totp');
  expect(await methodOf(user, reset.otp)).toBe('otp');
  expect(await methodOf(user, recovery!)).toBe('recovery');
});

it.each([
  ['another app is in use', true],
  ['no other app was ever used', false],
])('after reset_key, %s: enrolled is %j', async (_, isUsed) => {
  const user = await createUser(server);
  const app = await add(user);
  expect(await methodOf(user, codeOf(user))).toBe('totp');
  if (isUsed) expect(await methodOf(user, codeOf(app))).toBe('totp');
  const path = `users/${user.unique_id}/`;
  const { body } = await call(server, 'PUT', path, { reset_key: '1' });
  expect(body.data.enrolled).toBe(isUsed);
  // Whoever is enrolled confirms a new app with one that is in use: no page shows its secret.
  const page = await (await fetch(body.data.ez_url)).text();
  expect(page.replaceAll(/<[^>]*>|\s/g, '').includes(body.data.key)).toBe(
    !isUsed,
  );
});

describe('an additional app that is never confirmed', () => {
  it('ends after a day: its code is wrong, and it is not listed', async () => {
    const user = await createUser(server);
    const before = await list(user);
    const app = await add(user);
    expect(Date.parse(app.expires_at)).toBe(
      Date.parse(app.created_at) + 86_400_000,
    );
    server.advance(86_400 - 60);
    expect(await list(user)).toHaveLength(before.length + 1);
    server.advance(60);
    expect(await list(user)).toEqual(before);
    expect(await methodOf(user, codeOf(app))).toBeNull();
    expect(await list(user)).toEqual(before);
  });

  it('leaves its place to others', async () => {
    const user = await createUser(server);
    for (let i = 2; i <= 10; i++) await add(user);
    expect(await add(user)).toBeUndefined();
    server.advance(86_400);
    expect(await add(user)).toMatchObject({ state: 'pending' });
    expect(await list(user)).toHaveLength(3);
    expect((await show(user)).key).toBe(user.key);
  });

  it('stays if it became the first one', async () => {
    const user = await createUser(server);
    const app = await add(user);
    const [{ id }] = await list(user);
    await call(server, 'DELETE', `users/${user.unique_id}/factors/${id}/`);
    server.advance(2 * 86_400);
    expect((await show(user)).key).toBe(app.key);
    expect(await methodOf(user, codeOf(app))).toBe('totp');
  });

  it('does not end once it was used', async () => {
    const user = await createUser(server);
    const app = await add(user);
    expect(await methodOf(user, codeOf(app))).toBe('totp');
    server.advance(2 * 86_400);
    expect((await list(user)).at(-1)).toMatchObject({
      id: app.id,
      expires_at: null,
    });
    expect(await methodOf(user, codeOf(app))).toBe('totp');
  });
});

describe('recovery codes', () => {
  it('are ten, and each works once, while recovery_codes_left counts down', async () => {
    const user = await createUser(server);
    expect(user.recovery_codes_left).toBe(0);
    const codes = await renew(user);
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^[a-z2-7]{5}-[a-z2-7]{5}$/);
    expect((await show(user)).recovery_codes_left).toBe(10);
    for (const [i, code] of codes.entries()) {
      expect(await methodOf(user, code)).toBe('recovery');
      expect(await methodOf(user, code)).toBeNull();
      expect((await show(user)).recovery_codes_left).toBe(9 - i);
    }
    expect(await show(user)).toMatchObject({
      enrolled: false,
      epoch: user.epoch,
    });
  });

  it('work in upper case, with spaces and without the dash', async () => {
    const user = await createUser(server);
    const [one, two, three] = await renew(user);
    for (const code of [
      one!.toUpperCase(),
      two!.replace('-', ''),
      ` ${three!.replace('-', ' - ')} `,
    ])
      expect(await methodOf(user, code)).toBe('recovery');
  });

  it('replace the ones before', async () => {
    const user = await createUser(server);
    const old = await renew(user);
    await methodOf(user, old[0]!);
    const codes = await renew(user);
    expect((await show(user)).recovery_codes_left).toBe(10);
    expect(await methodOf(user, old[1]!)).toBeNull();
    expect(await methodOf(user, codes[1]!)).toBe('recovery');
  });

  it('of another user do not work', async () => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    const [code] = await renew(jane);
    await renew(joe);
    expect(await methodOf(joe, code!)).toBeNull();
    expect(await methodOf(jane, code!)).toBe('recovery');
  });

  it('are stored as keyed hashes, and are not listed', async () => {
    const user = await createUser(server);
    const codes = await renew(user);
    const { read } = server.app.get<Database>(DATABASE);
    const rows = await read
      .selectFrom('factors')
      .innerJoin('users', 'users.id', 'factors.user_id')
      .selectAll('factors')
      .where('users.unique_id', '=', user.unique_id)
      .execute();
    expect(rows.filter(({ kind }) => kind === 'recovery')).toHaveLength(10);
    const stored = JSON.stringify(rows).toLowerCase();
    for (const code of codes) {
      expect(stored).not.toContain(code);
      expect(stored).not.toContain(code.replace('-', ''));
    }
    expect((await list(user)).map(({ kind }) => kind)).toEqual(['totp', 'otp']);
  });

  it('are called by their name on the ezGAuth page, where one is wrong', async () => {
    const user = await createUser(server);
    const [code] = await renew(user);
    for (const text of [
      /wrong or has already/,
      /^(?!.*recovery code is wrong)/s,
    ])
      expect(
        await (await enterOnEzPage(user, wrongCode(server, user.key))).text(),
      ).toMatch(text);
    const wrong = code!.replace(/^./, (first) => (first === 'a' ? 'b' : 'a'));
    const response = await enterOnEzPage(user, wrong);
    expect(await response.text()).toContain('recovery code is wrong');
  });

  it('open the ezGAuth page of an enrolled user', async () => {
    const user = await createUser(server);
    await methodOf(user, codeOf(user));
    const form = async () => (await fetch(user.ez_url)).text();
    expect(await form()).toContain('inputmode="numeric"');
    const [code] = await renew(user);
    // A phone's numeric keyboard has no letters.
    expect(await form()).not.toContain('inputmode');
    expect(await form()).toContain('or a recovery code');
    const page = await (await enterOnEzPage(user, code!)).text();
    const [token] = /gat[A-Z2-7]{32}/.exec(page)!;
    const { body } = await call(server, 'POST', 'token/', { token });
    expect(body.data).toMatchObject({
      unique_id: user.unique_id,
      method: 'recovery',
      recovery_codes_left: 9,
    });
  });

  it('end with their user', async () => {
    const user = await createUser(server);
    const [code] = await renew(user);
    const { unique_id } = user;
    await call(server, 'DELETE', `users/${unique_id}/`);
    await call(server, 'POST', 'users/', { unique_id, display_name: 'Jane' });
    expect(await methodOf(user, code!)).toBeNull();
  });
});
