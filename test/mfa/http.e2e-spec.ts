import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import {
  Controller,
  Get,
  type INestApplication,
  Res,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { EventEmitter2, EventEmitterModule } from '@nestjs/event-emitter';
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
  GAuthifyService,
  type MfaOptions,
  MfaGuard,
  RequireMfa,
  SkipMfa,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { refusal, startAccessPoint } from '../helpers/access-point.js';
import { ADAPTERS, call, createUser, wrongCode } from '../helpers/api.js';
import { type Answer, type Ask, SignInGuard, startApp } from './guarded-app.js';

const secret = randomBytes(32).toString('base64');

@UseGuards(SignInGuard, MfaGuard)
@RequireMfa({ maxAgeSeconds: 60 })
@Controller()
class AccountController {
  @Get('account') account(@Res({ passthrough: true }) response: any) {
    // Express' `cookie()` and Fastify's header both add to what is there.
    if (response.cookie) response.cookie('own', '1');
    else response.header('set-cookie', 'own=1; Path=/');
    return { in: true };
  }
  @RequireMfa() @Get('profile') profile() {
    return { in: true };
  }
  @SkipMfa() @Get('open') open() {
    return { in: true };
  }
}

let server: GAuthifyTestServer;
let app: INestApplication | undefined;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());
afterEach(async () => {
  jest.restoreAllMocks();
  await app?.close();
  app = undefined;
});

async function start(
  name: (typeof ADAPTERS)[number],
  mfa: MfaOptions,
  imports: any[] = [],
  providers: any[] = [],
  accessPoint = server.accessPoint,
): Promise<Ask> {
  const started = await startApp(
    name,
    { apiKey: server.apiKey, accessPoints: [accessPoint], mfa },
    { imports, providers, controllers: [AccountController] },
  );
  app = started.app;
  return started.ask;
}

function later(seconds: number): void {
  const now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now + seconds * 1000);
}

describe.each(ADAPTERS)('MfaGuard over HTTP on %s', (name) => {
  it('hands the proof over in a cookie beside the application’s own, and reads it', async () => {
    const ask = await start(name, { proof: { secret, cookie: true } });
    const user = await createUser(server);
    const headers = {
      'x-user': user.unique_id,
      'x-mfa-code': server.totp(user.key),
    };
    const cookies = (
      await ask('GET', '/account', headers)
    ).headers.getSetCookie();
    expect(cookies).toContain('own=1; Path=/');
    const cookie = cookies.find((line) =>
      line.startsWith('__Host-mfa_proof='),
    )!;
    expect(cookie).toMatch(
      /^__Host-mfa_proof=eyJ[\w.-]+; Max-Age=900; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    const pair = cookie.split(';')[0]!;
    const again = { 'x-user': user.unique_id, cookie: `a=b; ${pair}; c=d` };
    expect((await ask('GET', '/account', again)).status).toBe(200);
    expect(
      (await ask('GET', '/account', { ...again, 'x-user': 'joe' })).status,
    ).toBe(403);
  });

  it('names the age and the methods in the challenge [RFC 9470]', async () => {
    const ask = await start(name, {});
    const user = await createUser(server, { email: 'a@example.com' });
    const { status, headers } = await ask('GET', '/account', {
      'x-user': user.unique_id,
    });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe(
      'Bearer error="insufficient_user_authentication", error_description="A code by e-mail, entered in the last minute, is required.", acr_values="email", max_age="60"',
    );
  });

  it('asks for what handler and controller ask for, and skips what the handler skips', async () => {
    const ask = await start(name, { proof: { secret } });
    const user = await createUser(server);
    const headers: Record<string, string> = { 'x-user': user.unique_id };
    const first = await ask('GET', '/account', {
      ...headers,
      'x-mfa-code': server.totp(user.key),
    });
    headers['x-mfa-proof'] = first.headers.get('x-mfa-proof')!;
    expect((await ask('GET', '/account', headers)).status).toBe(200);
    later(61);
    expect((await ask('GET', '/account', headers)).status).toBe(401);
    expect((await ask('GET', '/profile', headers)).status).toBe(401);
    expect((await ask('GET', '/open')).status).toBe(200);
  });

  it('takes proofs of an older secret, and signs with the newest', async () => {
    const user = await createUser(server);
    const before = await start(name, { proof: { secret } });
    const code = {
      'x-user': user.unique_id,
      'x-mfa-code': server.totp(user.key),
    };
    const proof = (await before('GET', '/account', code)).headers.get(
      'x-mfa-proof',
    )!;
    const headers = { 'x-user': user.unique_id, 'x-mfa-proof': proof };
    await app!.close();
    const newest = randomBytes(32).toString('base64');
    const during = await start(name, { proof: { secret: [newest, secret] } });
    expect((await during('GET', '/account', headers)).status).toBe(200);
    await app!.close();
    const after = await start(name, { proof: { secret: newest } });
    expect((await after('GET', '/account', headers)).status).toBe(401);
  });

  it('makes and takes no proof where the request has nothing to be bound to', async () => {
    const bindTo = (request: any) => request.headers['x-session'];
    const ask = await start(name, { proof: { secret, bindTo } });
    const user = await createUser(server);
    const code = {
      'x-user': user.unique_id,
      'x-mfa-code': server.totp(user.key),
    };
    const withoutSession = await ask('GET', '/account', code);
    expect(withoutSession.status).toBe(200);
    expect(withoutSession.headers.get('x-mfa-proof')).toBeNull();
    later(30);
    const proof = (
      await ask('GET', '/account', {
        ...code,
        'x-mfa-code': server.totp(user.key),
        'x-session': 's1',
      })
    ).headers.get('x-mfa-proof')!;
    expect(proof).toMatch(/^eyJ/);
    for (const session of [{}, { 'x-session': '' }, { 'x-session': 's2' }])
      expect(
        (
          await ask('GET', '/account', {
            'x-user': user.unique_id,
            'x-mfa-proof': proof,
            ...session,
          } as any)
        ).status,
      ).toBe(401);
  });

  it('asks only who needs it, and tells listeners, whose errors change nothing', async () => {
    const heard: unknown[] = [];
    const ask = await start(
      name,
      {
        required: (userId) => {
          if (userId === 'broken') throw new Error('no');
          return userId === 'admin';
        },
        onEvent: () => {
          throw new Error('of the listener');
        },
      },
      [EventEmitterModule.forRoot({ wildcard: true })],
    );
    app!.get(EventEmitter2).on('gauthify.mfa.*', (event) => heard.push(event));
    expect((await ask('GET', '/account', { 'x-user': 'reader' })).status).toBe(
      200,
    );
    expect((await ask('GET', '/account', { 'x-user': 'admin' })).status).toBe(
      403,
    );
    expect((await ask('GET', '/account', { 'x-user': 'broken' })).status).toBe(
      500,
    );
    expect(heard).toEqual([
      {
        type: 'bypassed',
        userId: 'reader',
        reason: 'policy',
        at: expect.any(Date),
      },
    ]);
  });
});

describe.each(ADAPTERS)('the ready-made routes on %s', (name) => {
  const startRoutes = (mfa: MfaOptions = {}, accessPoint?: string) =>
    start(
      name,
      { proof: { secret }, routes: { guards: [SignInGuard] }, ...mfa },
      [],
      [
        // One for all: the routes must be reached before anybody can pass it.
        SignInGuard,
        { provide: APP_GUARD, useExisting: SignInGuard },
        MfaGuard,
        { provide: APP_GUARD, useExisting: MfaGuard },
      ],
      accessPoint,
    );
  const as = (id: string, proof?: string | null) => ({
    'x-user': id,
    ...(proof && { 'x-mfa-proof': proof }),
  });
  let made = 0;
  const newId = () => `${name}-${++made}`;

  it('enrol a user who was never seen before, from nothing to the guarded page', async () => {
    const ask = await startRoutes();
    const id = newId();
    expect((await ask('GET', '/mfa/status', as(id))).body).toEqual({
      enrolled: false,
      methods: [],
      verifiedAt: null,
      method: null,
    });
    expect((await ask('GET', '/account', as(id))).body.code).toBe(
      'mfa_enrollment_required',
    );
    const { body, headers } = await ask('POST', '/mfa/enroll', as(id), {});
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      key: expect.stringMatching(/^[A-Z2-7]{32}$/),
      otpauthUri: expect.stringContaining(body.key),
      qr: expect.stringMatching(/^<svg /),
    });
    expect(
      (
        await ask('POST', '/mfa/enroll/confirm', as(id), {
          code: wrongCode(server, body.key),
        })
      ).body.code,
    ).toBe('mfa_invalid_code');
    const confirmed = await ask('POST', '/mfa/enroll/confirm', as(id), {
      code: server.totp(body.key),
    });
    expect(confirmed.body).toEqual({
      method: 'totp',
      verifiedAt: expect.any(String),
      proof: expect.stringMatching(/^eyJ/),
    });
    expect(confirmed.headers.get('x-mfa-proof')).toBe(confirmed.body.proof);
    const proven = as(id, confirmed.body.proof);
    expect((await ask('GET', '/account', proven)).status).toBe(200);
    expect((await ask('GET', '/mfa/status', proven)).body).toEqual({
      enrolled: true,
      methods: ['totp'],
      verifiedAt: confirmed.body.verifiedAt,
      method: 'totp',
    });
  });

  it('show and change nothing of an enrolled user without a fresh second factor', async () => {
    const ask = await startRoutes();
    const user = await createUser(server);
    const id = user.unique_id;
    const { proof } = (
      await ask('POST', '/mfa/verify', as(id), { code: server.totp(user.key) })
    ).body;
    const denied = await ask('POST', '/mfa/enroll', as(id), {});
    expect([denied.status, denied.body.code]).toEqual([401, 'mfa_required']);
    expect(JSON.stringify(denied.body)).not.toContain(user.key);
    const stillOld = async () =>
      (await call(server, 'GET', `users/${id}/`)).body.data.key;
    expect(await stillOld()).toBe(user.key);
    expect(
      (await ask('POST', '/mfa/enroll', as('somebody-else', proof), {})).body
        .key,
    ).not.toBe(user.key);
    later(61);
    expect((await ask('POST', '/mfa/enroll', as(id, proof), {})).status).toBe(
      401,
    );
    expect(await stillOld()).toBe(user.key);
    jest.restoreAllMocks();
    const changed = await ask('POST', '/mfa/enroll', as(id, proof), {});
    expect(changed.body.key).not.toBe(user.key);
    // Until the new app is confirmed a password alone is still not enough.
    expect((await ask('POST', '/mfa/enroll', as(id), {})).body.code).toBe(
      'mfa_required',
    );
    expect((await ask('GET', '/mfa/status', as(id))).body.enrolled).toBe(true);
    expect(
      (
        await ask('POST', '/mfa/enroll/confirm', as(id), {
          code: server.totp(changed.body.key),
        })
      ).status,
    ).toBe(200);
  });

  it('replace no app that is confirmed while a request to enrol is on its way', async () => {
    const ask = await startRoutes();
    const id = newId();
    const { key } = (await ask('POST', '/mfa/enroll', as(id), {})).body;
    // After the route read that there is no app, and before it resets the key.
    let confirmed: Promise<Answer> | undefined;
    app!.get(GAuthifyService).axiosRef.interceptors.request.use(async (it) => {
      if (it.method === 'put' && !confirmed) {
        confirmed = ask('POST', '/mfa/enroll/confirm', as(id), {
          code: server.totp(key),
        });
        await confirmed;
      }
      return it;
    });
    const late = await ask('POST', '/mfa/enroll', as(id), {});
    expect((await confirmed)?.status).toBe(200);
    expect([late.status, late.body.code]).toEqual([401, 'mfa_required']);
    expect((await call(server, 'GET', `users/${id}/`)).body.data).toMatchObject(
      { key, enrolled: true },
    );
  });

  it('ask twice, and no more, a GAuthify that contradicts itself', async () => {
    const seen: string[] = [];
    const odd = await startAccessPoint((response, request, socket) => {
      seen.push(`${request.method} ${request.url}`);
      const respond =
        request.method === 'POST'
          ? refusal(409, 'user_exists')
          : refusal(404, 'user_not_found');
      respond(response, request, socket);
    });
    try {
      const ask = await startRoutes({}, odd.url);
      const { status, body } = await ask('POST', '/mfa/enroll', as('jane'), {});
      expect([status, body.code]).toEqual([503, 'mfa_unavailable']);
      expect(seen).toEqual([
        'GET /v1/users/jane/',
        'POST /v1/users/',
        'GET /v1/users/jane/',
        'POST /v1/users/',
      ]);
    } finally {
      await odd.close();
    }
  });

  it('enrol whoever it is, by whatever name', async () => {
    const ask = await startRoutes();
    const id = `${newId()}${'ü'.repeat(200)}`;
    const headers = {
      'x-user': encodeURIComponent(id),
      'x-name': encodeURIComponent(`Jan\n${'😀'.repeat(200)}`),
    };
    for (let i = 0; i < 2; i++)
      expect((await ask('POST', '/mfa/enroll', headers, {})).status).toBe(200);
    const { body } = await call(
      server,
      'GET',
      `users/${encodeURIComponent(id)}/`,
    );
    expect(body.data.display_name).toBe(`Jan ${'😀'.repeat(125)}`);
  });

  it('enrol who has a phone and brings its code, also without proofs', async () => {
    const ask = await startRoutes({ proof: undefined });
    const email = `${newId()}@example.com`;
    const { unique_id: id } = await createUser(server, { email });
    await ask('POST', '/mfa/challenge', as(id), { method: 'email' });
    const withCode = (code: string) => ({ ...as(id), 'x-mfa-code': code });
    const code = server.lastCode(email);
    const wrong = code === '000000' ? '111111' : '000000';
    expect(
      (await ask('POST', '/mfa/enroll', withCode(wrong), {})).body.code,
    ).toBe('mfa_invalid_code');
    const { body } = await ask('POST', '/mfa/enroll', withCode(code), {});
    expect(body.key).toMatch(/^[A-Z2-7]{32}$/);
    expect(
      (await ask('POST', '/mfa/enroll', withCode(code), {})).body.code,
    ).toBe('mfa_invalid_code');
  });

  it('enrol who asks twice at once', async () => {
    const ask = await startRoutes();
    const id = newId();
    const answers = await Promise.all(
      [1, 2].map(() => ask('POST', '/mfa/enroll', as(id), {})),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const keys = answers.map(({ body }) => body.key);
    expect(keys).toContain(
      (await call(server, 'GET', `users/${id}/`)).body.data.key,
    );
  });

  it('let nobody put an app beside a phone number with a password alone', async () => {
    const ask = await startRoutes();
    const { unique_id } = await createUser(server, {
      email: `${newId()}@example.com`,
    });
    expect(
      (await ask('POST', '/mfa/enroll', as(unique_id), {})).body,
    ).toMatchObject({ code: 'mfa_required', methods: ['email'] });
  });

  it('send codes, and check them', async () => {
    const ask = await startRoutes();
    const email = `${newId()}@example.com`;
    const { unique_id: id } = await createUser(server, { email });
    expect(
      (await ask('POST', '/mfa/challenge', as(id), { method: 'email' })).body,
    ).toEqual({ sent: 'email' });
    const again = await ask('POST', '/mfa/challenge', as(id), {
      method: 'email',
    });
    expect([again.status, again.headers.get('retry-after')]).toEqual([
      429,
      '30',
    ]);
    expect(
      (await ask('POST', '/mfa/challenge', as(id), { method: 'sms' })).body
        .code,
    ).toBe('mfa_method_unavailable');
    expect(
      (await ask('POST', '/mfa/challenge', as(id), { method: 'pigeon' })).body
        .code,
    ).toBe('mfa_unknown_method');
    const { body } = await ask('POST', '/mfa/verify', as(id), {
      code: server.lastCode(email),
    });
    expect(body).toMatchObject({ method: 'email', proof: expect.any(String) });
  });

  it('are for who is signed in, and for JSON', async () => {
    const ask = await startRoutes();
    for (const [method, path] of [
      ['GET', 'status'],
      ['POST', 'challenge'],
      ['POST', 'verify'],
      ['POST', 'enroll'],
      ['POST', 'enroll/confirm'],
    ] as const)
      expect(
        (
          await ask(
            method,
            `/mfa/${path}`,
            {},
            method === 'POST' ? {} : undefined,
          )
        ).body.code,
      ).toBe('mfa_not_signed_in');
    const form = {
      'x-user': 'jane',
      'content-type': 'application/x-www-form-urlencoded',
    };
    expect((await ask('POST', '/mfa/enroll', form, 'a=b')).status).toBe(415);
    const answers = [];
    for (const code of [undefined, null, '', {}, ['1'], 1]) {
      const { status, body } = await ask('POST', '/mfa/verify', as('jane'), {
        code,
      });
      answers.push([status, body.code]);
    }
    expect(answers).toEqual([
      ...Array<unknown>(3).fill([400, 'mfa_code_missing']),
      ...Array<unknown>(3).fill([400, 'mfa_code_not_text']),
    ]);
  });

  it('keep the proof out of the body where it is in a cookie', async () => {
    const ask = await startRoutes({
      proof: { secret, cookie: 'proof' },
      routes: true,
    });
    const user = await createUser(server);
    const { body, headers } = await ask(
      'POST',
      '/mfa/verify',
      as(user.unique_id),
      { code: server.totp(user.key) },
    );
    expect(body).toEqual({ method: 'totp', verifiedAt: expect.any(String) });
    expect(headers.getSetCookie().join()).toContain('proof=eyJ');
  });

  it('are mounted where they are told, and not unless they are', async () => {
    const ask = await startRoutes({ routes: 'second/factor' });
    expect(
      (await ask('GET', '/second/factor/status', as(newId()))).status,
    ).toBe(200);
    expect((await ask('GET', '/mfa/status', as(newId()))).status).toBe(404);
    await app!.close();
    const without = await startRoutes({ routes: false });
    expect((await without('GET', '/mfa/status', as(newId()))).status).toBe(404);
  });
});
