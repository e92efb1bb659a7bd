/** What the ready-made routes ask of who changes a factor, and how they say what is wrong. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { Controller, Get, UseGuards } from '@nestjs/common';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import {
  GAuthifyModule,
  MFA_METHOD_STRENGTH,
  MfaGuard,
  type MfaRoutesOption,
  RequireMfa,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { data, startAccessPoint } from '../helpers/access-point.js';
import { ADAPTERS, check, createUser } from '../helpers/api.js';
import { readQr } from '../helpers/read-qr.js';
import {
  type Ask,
  type GuardedApp,
  SignInGuard,
  startApp,
} from './guarded-app.js';

const secret = randomBytes(32).toString('base64');

@Controller()
@UseGuards(SignInGuard, MfaGuard)
class VaultController {
  @RequireMfa({ methods: ['totp'] }) @Get('vault') vault() {
    return { in: true };
  }
}

let server: GAuthifyTestServer;
let running: GuardedApp | undefined;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());
afterEach(async () => {
  jest.restoreAllMocks();
  await running?.app.close();
  running = undefined;
});

async function start(
  name: (typeof ADAPTERS)[number],
  routes: Exclude<MfaRoutesOption, boolean | string> = {},
  accessPoint = server.accessPoint,
): Promise<Ask> {
  running = await startApp(
    name,
    {
      apiKey: server.apiKey,
      accessPoints: [accessPoint],
      mfa: { proof: { secret }, routes: { guards: [SignInGuard], ...routes } },
    },
    { controllers: [VaultController] },
  );
  return running.ask;
}

let made = 0;
const newEmail = () => `factor-${++made}@example.com`;

/** Somebody with an app and an address, and what an attacker has: the password and the mailbox. */
async function attack(ask: Ask) {
  const email = newEmail();
  const user = await createUser(server, { email });
  await check(server, user.unique_id, server.totp(user.key));
  const as = { 'x-user': user.unique_id };
  await ask('POST', '/mfa/challenge', as, { method: 'email' });
  const verified = await ask('POST', '/mfa/verify', as, {
    code: server.lastCode(email),
  });
  expect(verified.body.method).toBe('email');
  return { user, as: { ...as, 'x-mfa-proof': verified.body.proof } };
}

describe.each(ADAPTERS)('changing a factor on %s', (name) => {
  it('takes more than the mailbox where there is an authenticator app', async () => {
    const ask = await start(name);
    const { as } = await attack(ask);
    const enrol = await ask('POST', '/mfa/enroll', as, {});
    expect([enrol.status, enrol.body]).toEqual([
      401,
      expect.objectContaining({
        code: 'mfa_required',
        methods: ['totp'],
        message:
          'A code from your authenticator app, entered in the last minute, is required.',
      }),
    ]);
    expect((await ask('GET', '/vault', as)).status).toBe(401);
  });

  it('takes no code by e-mail in place of the app either', async () => {
    const ask = await start(name);
    const email = newEmail();
    const user = await createUser(server, { email });
    await check(server, user.unique_id, server.totp(user.key));
    const as = { 'x-user': user.unique_id };
    await ask('POST', '/mfa/challenge', as, { method: 'email' });
    const { body } = await ask(
      'POST',
      '/mfa/enroll',
      { ...as, 'x-mfa-code': server.lastCode(email) },
      {},
    );
    expect(body).toMatchObject({ code: 'mfa_required', methods: ['totp'] });
  });

  it('takes the one-time pass, which is as strong', async () => {
    const ask = await start(name);
    const user = await createUser(server);
    await check(server, user.unique_id, server.totp(user.key));
    const { status } = await ask(
      'POST',
      '/mfa/enroll',
      { 'x-user': user.unique_id, 'x-mfa-code': user.otp },
      {},
    );
    expect(status).toBe(200);
  });

  it('takes the mailbox where recoverBy names it', async () => {
    const ask = await start(name, { recoverBy: ['email'] });
    const { user, as } = await attack(ask);
    const { body } = await ask('POST', '/mfa/enroll', as, {});
    expect(body.key).toMatch(/^[A-Z2-7]{32}$/);
    const confirmed = await ask(
      'POST',
      '/mfa/enroll/confirm',
      { 'x-user': user.unique_id },
      { code: server.totp(body.key) },
    );
    expect(confirmed.body.method).toBe('totp');
  });

  it('ends the proof it was done with', async () => {
    const ask = await start(name);
    const user = await createUser(server);
    const as = { 'x-user': user.unique_id };
    const { proof } = (
      await ask('POST', '/mfa/verify', as, { code: server.totp(user.key) })
    ).body;
    const proven = { ...as, 'x-mfa-proof': proof };
    expect((await ask('GET', '/vault', proven)).status).toBe(200);
    expect((await ask('POST', '/mfa/enroll', proven, {})).status).toBe(200);
    expect((await ask('GET', '/vault', proven)).status).toBe(401);
    expect((await ask('POST', '/mfa/enroll', proven, {})).status).toBe(401);
  });

  it('answers an SVG of the otpauth:// URI, not to be kept', async () => {
    const ask = await start(name);
    const { body, headers } = await ask(
      'POST',
      '/mfa/enroll',
      { 'x-user': `new-${name}` },
      {},
    );
    expect(Object.keys(body)).toEqual(['key', 'otpauthUri', 'qr']);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(new URL(body.otpauthUri).searchParams.get('secret')).toBe(body.key);
    expect(readQr(body.qr)).toBe(body.otpauthUri);
  });

  it('takes nothing that GAuthify does not name the kind of', async () => {
    const hosted = await startAccessPoint(
      data({ unique_id: 'jane', authenticated: true, key: 'ABCD' }),
    );
    try {
      const ask = await start(name, { recoverBy: ['email'] }, hosted.url);
      const as = { 'x-user': 'jane', 'x-mfa-code': '123456' };
      const { body } = await ask('POST', '/mfa/enroll', as, {});
      expect(body.code).toBe('mfa_required');
    } finally {
      await hosted.close();
    }
  });

  it.each([
    [{}, 'mfa_code_missing'],
    [{ code: null }, 'mfa_code_missing'],
    [{ code: ' ' }, 'mfa_code_missing'],
    [{ code: 12345 }, 'mfa_code_not_text'],
    [{ code: ['123456'] }, 'mfa_code_not_text'],
    [{ code: { a: 1 } }, 'mfa_code_not_text'],
    [{ code: true }, 'mfa_code_not_text'],
  ])('answers 400 to %j', async (body, code) => {
    const ask = await start(name);
    const user = await createUser(server);
    for (const path of ['verify', 'enroll/confirm']) {
      const answer = await ask(
        'POST',
        `/mfa/${path}`,
        { 'x-user': user.unique_id },
        body,
      );
      expect([answer.status, answer.body]).toEqual([
        400,
        { statusCode: 400, code, message: expect.any(String) },
      ]);
    }
  });

  it('has a code for what is no JSON', async () => {
    const ask = await start(name);
    const { status, body } = await ask('POST', '/mfa/verify', {
      'x-user': 'jane',
    });
    expect([status, body.code]).toEqual([415, 'mfa_not_json']);
  });

  it.each([
    ['application/json-seq', 415],
    ['application/json+x', 415],
    ['Application/JSON ; charset=utf-8', 200],
  ])('takes no JSON but application/json: %s', async (type, expected) => {
    const ask = await start(name);
    const { status } = await ask(
      'POST',
      '/mfa/enroll',
      { 'x-user': `json-${type.length}-${name}`, 'content-type': type },
      expected === 200 ? {} : undefined,
    );
    expect(status).toBe(expected);
  });
});

it('makes the otpauth:// URI with a GAuthify that does not say it', async () => {
  let isKnown = false;
  const user = data({
    unique_id: 'jane',
    display_text: 'Jane: 1/2',
    key: 'ABCD',
  });
  const hosted = await startAccessPoint((response, request, socket) => {
    if (!isKnown && request.method === 'GET') {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"error_message":"no","error_code":"user_not_found"}');
      return;
    }
    isKnown = true;
    user(response, request, socket);
  });
  try {
    const ask = await start('express', {}, hosted.url);
    const { body } = await ask('POST', '/mfa/enroll', { 'x-user': 'jane' }, {});
    expect(body.otpauthUri).toBe('otpauth://totp/Jane%3A%201%2F2?secret=ABCD');
    expect(readQr(body.qr)).toBe(body.otpauthUri);
  } finally {
    await hosted.close();
  }
});

it('puts what the user holds above what is sent to them', () => {
  expect(MFA_METHOD_STRENGTH).toEqual({
    totp: 3,
    otp: 3,
    recovery: 2,
    email: 1,
    sms: 1,
    voice: 1,
  });
  expect(Object.isFrozen(MFA_METHOD_STRENGTH)).toBe(true);
});

it.each(['email', ['pigeon'], ['totp'], [undefined]])(
  'refuses recoverBy %j at start',
  (recoverBy: any) => {
    const routes = { recoverBy };
    const problem =
      'GAuthifyModule: mfa.routes.recoverBy must be a list of email, sms or voice.';
    expect(() =>
      GAuthifyModule.forRoot({ apiKey: 'key', mfa: { routes } }),
    ).toThrow(problem);
    expect(() =>
      GAuthifyModule.forRootAsync({
        useFactory: () => ({ apiKey: 'key' }),
        mfaRoutes: routes,
      }),
    ).toThrow(problem);
  },
);
