/** What an application overrides in its `MfaGuard` holds for handlers, for the ready-made routes and for `@Mfa()`. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import {
  Controller,
  type ExecutionContext,
  Get,
  Inject,
  Injectable,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
} from '@jest/globals';
import {
  GAUTHIFY_MODULE_OPTIONS,
  GAuthifyModule,
  type GAuthifyModuleOptions,
  type GAuthifyResolvedOptions,
  Mfa,
  type MfaAttempt,
  type MfaContext,
  type MfaDenialCode,
  type MfaDenialDetails,
  MfaGuard,
  type MfaPolicy,
  type MfaRequest,
  type MfaVerification,
  SecondFactorService,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { Test } from '@nestjs/testing';
import { call, createUser } from '../helpers/api.js';
import { type GuardedApp, startApp } from './guarded-app.js';

/** A dependency that `GAuthifyModule` cannot see. */
@Injectable()
class Tenants {
  prefixOf(tenant: unknown): string {
    return typeof tenant === 'string' ? tenant : '';
  }
}

@Injectable()
class TenantMfaGuard extends MfaGuard {
  constructor(
    secondFactor: SecondFactorService,
    @Inject(GAUTHIFY_MODULE_OPTIONS) options: GAuthifyResolvedOptions,
    adapterHost: HttpAdapterHost,
    private readonly tenants: Tenants,
  ) {
    super(secondFactor, options, adapterHost);
  }

  /** The request is found in another place, and verifications are stored for another object. */
  protected override getContext(execution: ExecutionContext): MfaContext {
    const context = super.getContext(execution);
    const { headers } = context.request;
    return { ...context, subject: {}, request: { headers, user: null } };
  }

  protected override getUserId({ headers }: MfaRequest): unknown {
    const { 'x-tenant': tenant, 'x-account': account } = headers;
    if (typeof account !== 'string') return undefined;
    return this.tenants.prefixOf(tenant) + account;
  }

  protected override getCode({ headers }: MfaRequest): unknown {
    return headers['x-pin'];
  }

  protected override getPolicy(execution: ExecutionContext): MfaPolicy {
    return { ...super.getPolicy(execution), maxAgeSeconds: 30 };
  }

  protected override challenge(attempt: MfaAttempt): Promise<true> {
    return super.challenge(attempt);
  }

  protected override deny(
    context: MfaContext,
    code: MfaDenialCode,
    details?: MfaDenialDetails,
    cause?: unknown,
  ): Promise<never> {
    return super.deny(
      context,
      code,
      { ...details, retryAfterSeconds: 7 },
      cause,
    );
  }
}

@Controller()
class PageController {
  @UseGuards(TenantMfaGuard) @Get('page') page(@Mfa() mfa: MfaVerification) {
    return mfa;
  }
}

const secret = randomBytes(32).toString('base64');
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

describe('a subclass of MfaGuard with a constructor of its own', () => {
  async function start() {
    running = await startApp(
      'express',
      {
        apiKey: server.apiKey,
        accessPoints: [server.accessPoint],
        mfa: { proof: { secret }, routes: { guard: TenantMfaGuard } },
      },
      { controllers: [PageController], providers: [Tenants] },
    );
    const user = await createUser(server, { email: 'a@example.com' });
    const as = { 'x-tenant': 'user', 'x-account': user.unique_id.slice(4) };
    expect(user.unique_id).toMatch(/^user/);
    return { ask: running.ask, user, as };
  }

  it('guards handlers, and its context reaches @Mfa()', async () => {
    const { ask, user, as } = await start();
    const denied = await ask('GET', '/page', as);
    expect([denied.status, denied.body]).toEqual([
      401,
      expect.objectContaining({
        code: 'mfa_required',
        maxAgeSeconds: 30,
        retryAfterSeconds: 7,
      }),
    ]);
    const code = { ...as, 'x-pin': server.totp(user.key) };
    const { status, body } = await ask('GET', '/page', code);
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ userId: user.unique_id, method: 'totp' }),
    ]);
  });

  it('serves the ready-made routes', async () => {
    const { ask, user, as } = await start();
    const nobody = await ask('GET', '/mfa/status');
    expect([nobody.status, nobody.body]).toEqual([
      401,
      expect.objectContaining({
        code: 'mfa_not_signed_in',
        retryAfterSeconds: 7,
      }),
    ]);
    const code = server.totp(user.key);
    const verified = await ask('POST', '/mfa/verify', as, { code });
    expect(verified.body).toMatchObject({ method: 'totp' });
    const proven = { ...as, 'x-mfa-proof': verified.body.proof };
    expect((await ask('GET', '/mfa/status', proven)).body).toMatchObject({
      enrolled: true,
      method: 'totp',
    });
    expect((await ask('GET', '/page', proven)).status).toBe(200);
    // A second factor of now, by the header that this guard reads.
    const enrolled = await ask('POST', '/mfa/enroll', proven, {});
    expect(enrolled.body.key).toMatch(/^[A-Z2-7]{32}$/);
  });

  it.each(['challenge', 'deny'] as const)(
    'gives nobody a new secret where its %s() neither denies nor throws',
    async (hook) => {
      class Silent extends MfaGuard {}
      Object.defineProperty(Silent.prototype, hook, { value: async () => {} });
      running = await startApp(
        'express',
        {
          apiKey: server.apiKey,
          accessPoints: [server.accessPoint],
          mfa: {
            userId: ({ headers }) => headers['x-user'],
            routes: { guard: Silent },
          },
        },
        { providers: [Silent] },
      );
      const user = await createUser(server, { email: 'a@example.com' });
      for (const as of [undefined, { 'x-user': user.unique_id as string }]) {
        const { status, body } = await running.ask(
          'POST',
          '/mfa/enroll',
          as,
          {},
        );
        expect(status).toBeGreaterThanOrEqual(401);
        expect(body).not.toHaveProperty('key');
      }
      const { body } = await call(server, 'GET', `users/${user.unique_id}/`);
      expect(body.data.key).toBe(user.key);
    },
  );
});

describe('stops the application at start', () => {
  const start = async (
    options: Partial<GAuthifyModuleOptions>,
    mfaRoutes?: true,
  ) => {
    const module = await Test.createTestingModule({
      imports: [
        GAuthifyModule.forRootAsync({
          mfaRoutes,
          useFactory: () => ({ apiKey: 'key', ...options }),
        }),
      ],
    }).compile();
    await module.createNestApplication().init();
    await module.close();
  };

  it('where a factory returns mfa.routes, and says where they belong', async () => {
    const problem = /mfa\.routes .* move it to mfaRoutes, beside useFactory/;
    await expect(start({ mfa: { routes: true } })).rejects.toThrow(problem);
    await expect(start({ mfa: { routes: true } }, true)).rejects.toThrow(
      problem,
    );
    await start({ mfa: { routes: false } }, true);
  });

  it('where mfa.routes.guard is no provider', async () => {
    class Unknown extends MfaGuard {}
    const module = await Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({
          apiKey: 'key',
          mfa: { routes: { guard: Unknown } },
        }),
      ],
    }).compile();
    await expect(module.createNestApplication().init()).rejects.toThrow(
      'GAuthifyModule: mfa.routes.guard: there is no Unknown in the application',
    );
  });

  it.each<[string, object, string]>([
    [
      'mfa',
      { routs: true },
      'mfa.routs: there is no such option; did you mean mfa.routes?',
    ],
    [
      'mfa.proof',
      { proof: { secret, ttl: 60 } },
      'mfa.proof.ttl: there is no such option; did you mean mfa.proof.ttlSeconds?',
    ],
    [
      'mfa.routes',
      { routes: { paths: 'x' } },
      'mfa.routes.paths: there is no such option; did you mean mfa.routes.path?',
    ],
    [
      'mfa.routes.guard',
      { routes: { guard: class {} } },
      'mfa.routes.guard must be a class that extends MfaGuard',
    ],
    [
      'mfa.proof.ttlSeconds',
      { proof: { secret, ttlSeconds: -1 } },
      'mfa.proof.ttlSeconds must be a whole number above 0, not -1.',
    ],
  ])('where an option of %s is wrong', async (_, mfa, message) => {
    const compile = async () =>
      Test.createTestingModule({
        imports: [GAuthifyModule.forRoot({ apiKey: 'key', mfa })],
      }).compile();
    await expect(compile()).rejects.toThrow(`GAuthifyModule: ${message}`);
  });
});
