/** One signed-in user must not take the second factor from all; and what the log says of outages. */
import 'reflect-metadata';
import { Controller, Get, Logger, UseGuards } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { firstValueFrom, of } from 'rxjs';
import {
  GAuthifyService,
  type MfaEvent,
  MfaGuard,
  type MfaOptions,
  MfaService,
  RequireMfa,
} from 'nestjs-gauthify';
import {
  type AccessPoint,
  data,
  refusal,
  type Respond,
  startAccessPoint,
} from '../helpers/access-point.js';
import { type GuardedApp, SignInGuard, startApp } from './guarded-app.js';

@Controller()
@UseGuards(SignInGuard, MfaGuard)
@RequireMfa({ methods: ['totp', 'otp'] })
class PageController {
  @RequireMfa() @Get('page') page() {
    return { in: true };
  }
  @RequireMfa({ safeMode: true }) @Get('safe') safe() {
    return { in: true };
  }
  @RequireMfa({ safeMode: false }) @Get('strict') strict() {
    return { in: true };
  }
  @RequireMfa({ methods: ['email'] }) @Get('never') never() {
    return { in: true };
  }
}

const right = data({ authenticated: true, method: 'totp' });
const jane = { 'x-user': 'jane', 'x-mfa-code': '123456' };

let point: AccessPoint | undefined;
let running: GuardedApp | undefined;
let respond: Respond;
let asked: string[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  await running?.app.close();
  await point?.close();
});

async function start(first: Respond, mfa: MfaOptions = {}) {
  respond = first;
  asked = [];
  point = await startAccessPoint((response, request, socket) => {
    asked.push(`${request.method} ${request.url}`);
    respond(response, request, socket);
  });
  running = await startApp(
    'express',
    {
      apiKey: 'key',
      accessPoints: [point.url],
      mfa: { routes: { guards: [SignInGuard] }, ...mfa },
    },
    { controllers: [PageController] },
  );
  return running.ask;
}

function later(seconds: number): void {
  const now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now + seconds * 1000);
}

const errorsLogged = () =>
  jest.spyOn(Logger.prototype, 'error').mockReturnValue().mock.calls;

const locked = (seconds: string) =>
  refusal(402, 'too_many_attempts', { 'retry-after': seconds });

describe('a user who has to wait', () => {
  it('is answered without asking, and a right code counts as soon as the wait is over', async () => {
    const events: MfaEvent[] = [];
    const ask = await start(locked('5'), {
      onEvent: (event) => void events.push(event),
    });
    expect((await ask('GET', '/page', jane)).status).toBe(429);
    respond = right;
    later(3);
    for (const answer of [
      await ask('GET', '/page', jane),
      await ask('POST', '/mfa/verify', jane, { code: '123456' }),
    ]) {
      expect(answer.body).toMatchObject({
        code: 'mfa_too_many_attempts',
        retryAfterSeconds: 2,
      });
      expect(answer.headers.get('retry-after')).toBe('2');
    }
    expect(asked).toEqual(['POST /v1/check/']);
    expect(events.map(({ type }) => type)).toEqual(['locked']);
    expect(
      (await ask('GET', '/page', { ...jane, 'x-user': 'joe' })).status,
    ).toBe(200);
    later(2);
    expect((await ask('GET', '/page', jane)).status).toBe(200);
  });

  it('is asked about again after 10 seconds: the wait may have been ended', async () => {
    const ask = await start(locked('3600'));
    await ask('GET', '/page', jane);
    respond = right;
    later(9);
    const waiting = await ask('GET', '/page', jane);
    expect(waiting.body.retryAfterSeconds).toBe(3591);
    later(1);
    expect((await ask('GET', '/page', jane)).status).toBe(200);
  });
});

it('has at most two checks of a user under way', async () => {
  const held: (() => void)[] = [];
  let both: () => void;
  const bothCame = new Promise<void>((resolve) => (both = resolve));
  const ask = await start((...args) => {
    held.push(() => right(...args));
    if (held.length === 2) both();
  });
  const two = [ask('GET', '/page', jane), ask('GET', '/page', jane)];
  await bothCame;
  const third = await ask('GET', '/page', jane);
  expect([third.status, third.body]).toEqual([
    429,
    expect.objectContaining({
      code: 'mfa_too_many_attempts',
      retryAfterSeconds: 1,
    }),
  ]);
  expect(held).toHaveLength(2);
  for (const release of held) release();
  expect((await Promise.all(two)).map(({ status }) => status)).toEqual([
    200, 200,
  ]);
  respond = right;
  expect((await ask('GET', '/page', jane)).status).toBe(200);
});

it.each([
  '',
  '12345',
  '1234567',
  '123456789',
  'abcdef',
  "' OR 1=1 --",
  '１２３４５６',
])('asks nothing about %j, which is no code', async (code) => {
  const ask = await start(right);
  const service = running!.app.get(MfaService);
  expect(await firstValueFrom(service.verify('jane', code))).toBeNull();
  const { status } = await ask('POST', '/mfa/verify', jane, { code });
  expect(status).toBe(code === '' ? 400 : 401);
  expect(asked).toEqual([]);
});

it('tells that a code must be a string where mfa.code finds a number', async () => {
  const ask = await start(right, { code: () => 123456 as never });
  const { status, body } = await ask('GET', '/page', jane);
  expect([status, body.code]).toEqual([400, 'mfa_code_not_text']);
  expect(asked).toEqual([]);
});

describe('the log', () => {
  it('names a wrong API key, also where no code came, once a minute and then how often', async () => {
    const logged = errorsLogged();
    const ask = await start(refusal(401, 'invalid_api_key'));
    for (let i = 0; i < 3; i++)
      expect((await ask('GET', '/page', { 'x-user': 'jane' })).status).toBe(
        401,
      );
    // The client has a line of its own for all calls.
    const ofGuard = () =>
      logged.filter(([line]) => !/^GAuthify refused/.test(String(line)));
    expect(ofGuard()).toEqual([
      [
        'Second factors cannot be checked: GAuthify refuses the API key; check the option apiKey.',
      ],
    ]);
    later(61);
    await ask('GET', '/page', jane);
    expect(ofGuard().slice(1)).toEqual([
      [expect.stringMatching(/API key.*\(2 more since the last such line\)$/)],
    ]);
    respond = refusal(500);
    await ask('GET', '/page', jane);
    expect(ofGuard()).toHaveLength(3);
  });

  it.each([undefined, null, 1, 'yes', {}])(
    'names mfa.required, which returned %j, and nobody is let in',
    async (value) => {
      const logged = errorsLogged();
      const ask = await start(right, { required: () => value as never });
      for (let i = 0; i < 2; i++) {
        const { status, body } = await ask('GET', '/page', jane);
        expect([status, body.code]).toEqual([503, 'mfa_unavailable']);
      }
      expect(logged).toEqual([
        [expect.stringMatching(/^Nobody is let in: mfa\.required returned /)],
      ]);
    },
  );

  it('names a handler whose methods contradict its controller’s', async () => {
    const logged = errorsLogged();
    const ask = await start(right);
    const { body } = await ask('GET', '/never', jane);
    expect(body.code).toBe('mfa_unavailable');
    expect(logged).toEqual([
      [expect.stringContaining('@RequireMfa on PageController.never')],
    ]);
    expect(asked).toEqual([]);
  });
});

describe('safe mode', () => {
  it.each<[MfaOptions, string, number]>([
    [{}, '/safe', 200],
    [{}, '/page', 503],
    [{ safeMode: true }, '/page', 200],
    [{ safeMode: true }, '/strict', 503],
    [{ safeMode: false }, '/safe', 503],
  ])('with %j answers %s with %i: false wins', async (mfa, path, status) => {
    errorsLogged();
    jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const ask = await start(refusal(500), mfa);
    expect((await ask('GET', path, jane)).status).toBe(status);
    // Not for a code that cannot be one, whatever is down.
    const { body } = await ask('GET', path, { ...jane, 'x-mfa-code': '1' });
    expect(body.code).toBe('mfa_invalid_code');
  });

  it('asks the client whether GAuthify is unreachable', async () => {
    errorsLogged();
    const ask = await start(refusal(500), { safeMode: true });
    const decision = jest
      .spyOn(running!.app.get(GAuthifyService), 'isUnreachable')
      .mockReturnValue(of(false));
    expect((await ask('GET', '/page', jane)).status).toBe(503);
    expect(decision).toHaveBeenCalledTimes(1);
  });
});
