import 'reflect-metadata';
import { request as httpRequest } from 'node:http';
import { describe, expect, it, jest } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Injectable,
  Logger,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  GAuthifyModule,
  type GAuthifyModuleOptions,
  MfaGuard,
} from 'nestjs-gauthify';
import {
  type AccessPoint,
  data,
  deadUrl,
  hang,
  json,
  refusal,
  text,
  type Respond,
} from '../helpers/access-point.js';
import { accessPoint, afterThisTest, API_KEY } from '../helpers/client.js';

const CODE = '918273';
const jane = { id: 'jane' };

/** Signs in whoever the header says: stands for the application's own guard. */
@Injectable()
class SignInGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context
      .switchToHttp()
      .getRequest<{ user?: unknown; headers: Record<string, string> }>();
    const user = request.headers['x-user'];
    if (user !== undefined) request.user = JSON.parse(user);
    return true;
  }
}

interface Given {
  respond?: Respond;
  accessPoint?: string;
  options?: Partial<GAuthifyModuleOptions>;
  guard?: Type<CanActivate>;
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: unknown;
}

/** One request to `GET /` of the application; a header may be there more than once. */
const get = (
  app: INestApplication,
  user: unknown,
  code: string | string[] | undefined,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { port } = app.getHttpServer().address() as { port: number };
    const headers = {
      ...(user !== undefined && { 'x-user': JSON.stringify(user) }),
      ...(code !== undefined && { 'x-mfa-code': code }),
    };
    httpRequest(
      { host: '127.0.0.1', port, headers, agent: false },
      (answer) => {
        let body = '';
        answer.on('data', (chunk) => (body += chunk));
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: body.startsWith('{') ? (JSON.parse(body) as unknown) : body,
          }),
        );
      },
    )
      .on('error', reject)
      .end();
  });

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('MfaGuard on %s', (_, adapter) => {
  let server: AccessPoint;

  async function start({
    respond = data({ authenticated: true }),
    accessPoint: url,
    options,
    guard = MfaGuard,
  }: Given): Promise<INestApplication> {
    @Controller()
    class Account {
      @Get()
      @UseGuards(SignInGuard, guard)
      get(): string {
        return 'let in';
      }
    }
    server = await accessPoint(respond);
    const module = await Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({
          apiKey: API_KEY,
          accessPoints: [url ?? server.url],
          timeoutMs: 1000,
          ...options,
        }),
      ],
      controllers: [Account],
    }).compile();
    const app = module.createNestApplication(adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    afterThisTest(() => app.close());
    return app;
  }

  const ask = async (
    given: Given,
    user: unknown,
    code: string | string[] | undefined = CODE,
  ) => get(await start(given), user, code);

  const errorsLogged = (): unknown[][] => {
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    afterThisTest(async () => error.mockRestore());
    return error.mock.calls;
  };

  it.each<[string, unknown, string]>([
    ['id', { id: 'jane', sub: 'other' }, 'jane'],
    ['sub', { sub: 'jane' }, 'jane'],
    ['an id that is a number', { id: 42 }, '42'],
    ['an id of 0', { id: 0 }, '0'],
  ])('lets in whose code is right, by %s', async (_, user, uniqueId) => {
    await expect(ask({}, user)).resolves.toMatchObject({
      status: 200,
      body: 'let in',
    });
    expect(server.seen.map(({ body }) => body)).toEqual([
      `unique_id=${uniqueId}&auth_code=${CODE}`,
    ]);
  });

  it.each<[string, unknown]>([
    ['nobody', undefined],
    ['null', null],
    ['a user without id', {}],
    ['an empty id', { id: '' }],
    ['an id that is an object', { id: { $ne: 1 } }],
    ['an id that is an array', { id: ['jane'] }],
    ['an id that is true', { id: true }],
    ['an id that is no whole number', { id: 1.5 }],
  ])('answers 401 to %s, and asks nothing', async (_, user) => {
    await expect(ask({}, user)).resolves.toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer' },
      body: { statusCode: 401, code: 'mfa_not_signed_in' },
    });
    expect(server.seen).toEqual([]);
  });

  it.each([
    ['without a code', []],
    ['with an empty code', ''],
    ['with a blank code', '   '],
  ])('asks for a code %s [RFC 9470]', async (_, code) => {
    await expect(ask({}, jane, code)).resolves.toEqual({
      status: 401,
      headers: expect.objectContaining({
        'www-authenticate':
          'Bearer error="insufficient_user_authentication", error_description="A code from your authenticator app is required.", acr_values="totp"',
      }),
      body: {
        statusCode: 401,
        code: 'mfa_required',
        message: 'A code from your authenticator app is required.',
        methods: ['totp'],
      },
    });
    // What the user can be asked for, and nothing was checked.
    expect(server.seen.map(({ method }) => method)).toEqual(['GET']);
  });

  it.each<[string, string | string[], number]>([
    ['two codes', [CODE, '000000'], 0],
    ['the same code twice', [CODE, CODE], 0],
    ['two codes in one header', `${CODE},000000`, 0],
    ['a code too long', '1'.repeat(65), 0],
  ])('refuses %s without asking', async (_, code, asked) => {
    await expect(ask({}, jane, code)).resolves.toMatchObject({
      status: 401,
      body: { code: 'mfa_invalid_code' },
    });
    expect(server.seen).toHaveLength(asked);
  });

  it.each<[string, Respond, number, string, object]>([
    [
      'a wrong code',
      data({ authenticated: false }),
      401,
      'mfa_invalid_code',
      {
        'www-authenticate': expect.stringMatching(
          /^Bearer error="insufficient_user_authentication", error_description="[^"]+", acr_values="mfa"$/,
        ),
      },
    ],
    [
      'what is not plainly yes',
      data({ authenticated: 'true' }),
      401,
      'mfa_invalid_code',
      {},
    ],
    ['a malformed code', refusal(406), 401, 'mfa_invalid_code', {}],
    [
      'a user GAuthify does not know',
      refusal(404),
      403,
      'mfa_enrollment_required',
      {},
    ],
    [
      'too many attempts',
      refusal(402, 'too_many_attempts', { 'retry-after': '17' }),
      429,
      'mfa_too_many_attempts',
      { 'retry-after': '17' },
    ],
    [
      'too many attempts, for how long it is not said',
      refusal(402),
      429,
      'mfa_too_many_attempts',
      {},
    ],
  ])('refuses %s', async (_, respond, status, code, headers) => {
    const logged = errorsLogged();
    await expect(ask({ respond }, jane)).resolves.toMatchObject({
      status,
      headers,
      body: { statusCode: status, code, message: expect.any(String) },
    });
    expect(logged).toEqual([]);
  });

  it.each<[string, Respond, RegExp]>([
    [
      'refuses the API key',
      refusal(401),
      /refuses the API key; check the option/,
    ],
    ['fails', refusal(500), /v1\/ answered 500/],
    ['is silent', hang, /did not answer within 1000 ms/],
    ['answers with a page', text(200, '<html>'), /no JSON object/],
    ['gives an unexpected answer', refusal(400), /answered 400 \(some_code\)/],
    ['speaks of a conflict', refusal(409), /answered 409/],
  ])('lets nobody in when GAuthify %s', async (_, respond, reason) => {
    const logged = errorsLogged();
    await expect(ask({ respond }, jane)).resolves.toMatchObject({
      status: 503,
      body: {
        statusCode: 503,
        code: 'mfa_unavailable',
        message: 'Codes cannot be checked now. Try again later.',
      },
    });
    // The client has a line of its own for a refused key.
    const ofGuard = logged.filter(
      ([line]) => !/^GAuthify refused/.test(String(line)),
    );
    expect(ofGuard).toEqual([[expect.stringMatching(reason)]]);
  });

  it('lets nobody in when GAuthify cannot be reached', async () => {
    const logged = errorsLogged();
    await expect(
      ask({ accessPoint: await deadUrl() }, jane),
    ).resolves.toMatchObject({ status: 503 });
    expect(logged).toEqual([[expect.stringMatching(/refused the connection/)]]);
  });

  it.each([401, 400])(
    'logs and shows nothing of what was sent, though a %i quotes it',
    async (status) => {
      const logged = errorsLogged();
      const quote = `${API_KEY} ${CODE} jane`;
      const { body } = await ask(
        { respond: json(status, { error_message: quote, error_code: quote }) },
        jane,
      );
      for (const secret of [API_KEY, CODE, 'jane'])
        expect(JSON.stringify([logged, body])).not.toContain(secret);
    },
  );

  it('finds user and code where the options say', async () => {
    const options: Given['options'] = {
      mfa: {
        userId: (request) => request.user?.account?.number,
        code: (request) => request.headers['x-mfa-code']?.split(':')[1],
      },
    };
    const app = await start({ options });
    const user = { id: 'jane', account: { number: 7 } };
    await expect(get(app, user, `code:${CODE}`)).resolves.toMatchObject({
      status: 200,
    });
    expect(server.seen.map(({ body }) => body)).toEqual([
      `unique_id=7&auth_code=${CODE}`,
    ]);
    await expect(get(app, user, CODE)).resolves.toMatchObject({
      body: { code: 'mfa_required' },
    });
    await expect(get(app, jane, CODE)).resolves.toMatchObject({
      body: { code: 'mfa_not_signed_in' },
    });
  });

  const broken = () => {
    throw new TypeError('broken');
  };

  it.each<[string, Given]>([
    ['the option userId', { options: { mfa: { userId: broken } } }],
    ['the option code', { options: { mfa: { code: broken } } }],
    [
      'getContext',
      {
        guard: class extends MfaGuard {
          protected override getContext = broken;
        },
      },
    ],
    [
      'getUserId',
      {
        guard: class extends MfaGuard {
          protected override getUserId = broken;
        },
      },
    ],
    [
      'getCode',
      {
        guard: class extends MfaGuard {
          protected override getCode = broken;
        },
      },
    ],
    [
      'check',
      {
        guard: class extends MfaGuard {
          protected override check = broken;
        },
      },
    ],
    [
      'a check of another answer',
      {
        guard: class extends MfaGuard {
          protected override check = async () => 'yes' as never;
        },
      },
    ],
    [
      'a deny that does not',
      {
        respond: refusal(404),
        guard: class extends MfaGuard {
          protected override deny = () => undefined as never;
        },
      },
    ],
  ])('fails closed when something of yours is broken: %s', async (_, given) => {
    errorsLogged();
    const { status, body } = await ask(given, jane);
    expect(status).toBeGreaterThanOrEqual(401);
    expect(body).not.toBe('let in');
  });
});
