/** Recovery codes at the guard and its routes. */
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
} from '@jest/globals';
import {
  Mfa,
  MFA_METHOD_STRENGTH,
  MfaGuard,
  MfaService,
  type MfaVerification,
  RequireMfa,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { ADAPTERS, call, check, createUser } from '../helpers/api.js';
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
  @Get('account') account(@Mfa() { method }: MfaVerification) {
    return { method };
  }
  @RequireMfa({ methods: ['totp'] }) @Get('vault') vault() {
    return { in: true };
  }
  @RequireMfa({ methods: ['recovery'] }) @Get('recover') recover() {
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
  await running?.app.close();
  running = undefined;
});

/** The guarded application, and an enrolled user with ten recovery codes. */
async function start(
  name: (typeof ADAPTERS)[number],
  proof?: { secret: string },
) {
  running = await startApp(
    name,
    {
      apiKey: server.apiKey,
      accessPoints: [server.accessPoint],
      mfa: { proof, routes: { guards: [SignInGuard] } },
    },
    { controllers: [VaultController] },
  );
  const user = await createUser(server, { email: 'jane@example.com' });
  await check(server, user.unique_id, server.totp(user.key));
  const path = `users/${user.unique_id}/recovery_codes/`;
  const { body } = await call(server, 'POST', path);
  const { ask } = running;
  const as = { 'x-user': user.unique_id as string };
  const get = (route: string, code: string): ReturnType<Ask> =>
    ask('GET', route, { ...as, 'x-mfa-code': code });
  return { ask, as, get, codes: body.data.recovery_codes as string[] };
}

it('is above a sent code, and below a device', () => {
  const { recovery, totp, otp, email, sms, voice } = MFA_METHOD_STRENGTH;
  expect(recovery).toBeLessThan(Math.min(totp, otp));
  expect(recovery).toBeGreaterThan(Math.max(email, sms, voice));
});

describe.each(ADAPTERS)('a recovery code on %s', (name) => {
  it('lets the user in once, in any spelling, and counts as recovery', async () => {
    const { get, codes } = await start(name);
    const first = await get('/account', codes[0]!.toUpperCase());
    expect([first.status, first.body]).toEqual([200, { method: 'recovery' }]);
    expect((await get('/account', codes[0]!)).body).toMatchObject({
      code: 'mfa_invalid_code',
    });
    const spaced = codes[1]!.replace('-', ' ');
    expect((await get('/account', spaced)).status).toBe(200);
    expect((await get('/recover', codes[2]!)).status).toBe(200);
  });

  it('is refused where an authenticator app is asked for', async () => {
    const { get, codes } = await start(name);
    const { status, body } = await get('/vault', codes[0]!);
    expect([status, body.code, body.methods]).toEqual([
      401,
      'mfa_required',
      ['totp'],
    ]);
  });

  it('makes a proof that no app’s route accepts', async () => {
    const { ask, as, codes } = await start(name, { secret });
    const verified = await ask('POST', '/mfa/verify', as, { code: codes[0] });
    expect(verified.body).toMatchObject({ method: 'recovery' });
    const proven = { ...as, 'x-mfa-proof': verified.body.proof };
    expect((await ask('GET', '/account', proven)).status).toBe(200);
    expect((await ask('GET', '/vault', proven)).body).toMatchObject({
      code: 'mfa_required',
    });
    // It is weaker than the app: it does not replace it.
    expect((await ask('POST', '/mfa/enroll', proven, {})).body).toMatchObject({
      code: 'mfa_required',
      methods: ['totp'],
    });
  });

  it('is among the codes that the challenge names, while one is left', async () => {
    const { ask, as, get, codes } = await start(name);
    expect((await ask('GET', '/account', as)).body).toMatchObject({
      methods: ['totp', 'recovery', 'email'],
      message:
        'A code from your authenticator app, from your recovery codes or by e-mail is required.',
    });
    for (const code of codes)
      expect((await get('/account', code)).status).toBe(200);
    running!.app.get(MfaService).forget(as['x-user']);
    expect((await ask('GET', '/recover', as)).body).toMatchObject({
      code: 'mfa_enrollment_required',
    });
  });
});
