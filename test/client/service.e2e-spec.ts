import 'reflect-metadata';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { instanceToPlain } from 'class-transformer';
import {
  GAuthifyUser,
  type GAuthifyService,
  ParameterError,
  ServerError,
} from 'nestjs-gauthify';
import { firstValueFrom, lastValueFrom, type Observable, toArray } from 'rxjs';
import { data, wireUser } from '../helpers/access-point.js';
import { clientOf, failureOf } from '../helpers/client.js';

type Call = (gauthify: GAuthifyService) => Observable<unknown>;

const user = wireUser({ sms_number: '+19162627232', meta: { a: 1 } });
const USER = { uniqueId: 'jane', smsNumber: '+19162627232', meta: { a: 1 } };

describe('a call', () => {
  it.each<[string, Call, string, string, unknown, unknown]>([
    [
      'createUser',
      (g) => g.createUser({ uniqueId: 'jane', displayName: 'Jane' }),
      'POST users/',
      'unique_id=jane&display_name=Jane',
      user,
      USER,
    ],
    [
      'updateUser',
      (g) => g.updateUser('jane', { email: null, resetKey: true }),
      'PUT users/jane/',
      '{"email":null,"reset_key":"true"}',
      user,
      USER,
    ],
    [
      'updateUser with nothing to change',
      (g) => g.updateUser('jane', {}),
      'PUT users/jane/',
      '',
      user,
      USER,
    ],
    [
      'updateUser that clears meta',
      (g) => g.updateUser('jane', { meta: null }),
      'PUT users/jane/',
      '{"meta":null}',
      user,
      USER,
    ],
    [
      'updateUser that clears nothing',
      (g) => g.updateUser('jane', { displayName: 'J', meta: { a: 1 } }),
      'PUT users/jane/',
      'meta=%7B%22a%22%3A1%7D&display_name=J',
      user,
      USER,
    ],
    [
      'createUser without an address',
      (g) => g.createUser({ uniqueId: 'jane', displayName: 'A', email: null }),
      'POST users/',
      'email=&unique_id=jane&display_name=A',
      user,
      USER,
    ],
    [
      'deleteUser',
      (g) => g.deleteUser('jane'),
      'DELETE users/jane/',
      '',
      user,
      true,
    ],
    ['getUser', (g) => g.getUser('jane'), 'GET users/jane/', '', user, USER],
    [
      'getUserByToken',
      (g) => g.getUserByToken('gat123'),
      'POST token/',
      'token=gat123',
      user,
      USER,
    ],
    [
      'checkAuth',
      (g) => g.checkAuth('jane', '012345'),
      'POST check/',
      'unique_id=jane&auth_code=012345',
      { unique_id: 'jane', authenticated: true },
      true,
    ],
    [
      'sendEmail',
      (g) => g.sendEmail('jane'),
      'POST email/',
      'unique_id=jane',
      user,
      USER,
    ],
    [
      'sendEmail to an address',
      (g) => g.sendEmail('jane', 'jane@example.com'),
      'POST email/',
      'unique_id=jane&email=jane%40example.com',
      user,
      USER,
    ],
    [
      'sendSms',
      (g) => g.sendSms('jane', '9162627232'),
      'POST sms/',
      'unique_id=jane&sms_number=9162627232',
      user,
      USER,
    ],
    [
      'sendVoice',
      (g) => g.sendVoice('jane', '9162627232'),
      'POST voice/',
      'unique_id=jane&voice_number=9162627232',
      user,
      USER,
    ],
    [
      'apiErrors',
      (g) => g.apiErrors(),
      'GET errors/',
      '',
      { a: 'b' },
      { a: 'b' },
    ],
  ])('%s', async (_, call, request, body, answer, result) => {
    const { gauthify, server } = await clientOf(data(answer));
    const emitted = await lastValueFrom(call(gauthify).pipe(toArray()));
    if (typeof result === 'object') expect(emitted).toMatchObject([result]);
    else expect(emitted).toEqual([result]);
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      request.replace(' ', ' /v1/'),
    ]);
    expect(server.seen[0]?.body).toBe(body);
    if (body)
      expect(server.seen[0]?.headers['content-type']).toBe(
        body.startsWith('{')
          ? 'application/json'
          : 'application/x-www-form-urlencoded',
      );
  });

  it.each<[string, Call]>([
    ['uniqueId is missing', (g) => g.getUser(undefined as never)],
    ['uniqueId must not be empty', (g) => g.deleteUser('')],
    ['uniqueId must be a string', (g) => g.getUser({} as never)],
    ['uniqueId must not be "." or ".."', (g) => g.updateUser('..', {})],
    ['uniqueId must not contain control', (g) => g.sendSms('a\r\nb')],
    ['displayName is missing', (g) => g.createUser({ uniqueId: 'a' } as never)],
    [
      'CreateUserDto must be an object',
      (g) => g.createUser(undefined as never),
    ],
    ['UpdateUserDto must be an object', (g) => g.updateUser('a', [] as never)],
    ['email must be', (g) => g.updateUser('a', { email: 'jane' })],
    ['email must be', (g) => g.sendEmail('a', 'jane')],
    ['smsNumber must be', (g) => g.sendSms('a', '123')],
    ['voiceNumber must be', (g) => g.sendVoice('a', '123')],
    ['authCode must not be empty', (g) => g.checkAuth('a', '')],
    ['authCode is missing', (g) => g.checkAuth('a', undefined as never)],
    ['authCode must be at most 64', (g) => g.checkAuth('a', '1'.repeat(65))],
    ['authCode must be a string', (g) => g.checkAuth('a', ['1'] as never)],
    ['token must not be empty', (g) => g.getUserByToken('')],
  ])('with a bad argument sends nothing: %s', async (message, call) => {
    const { gauthify, server } = await clientOf(data(user));
    const result$ = call(gauthify);
    const failure = firstValueFrom(result$);
    await expect(failure).rejects.toBeInstanceOf(ParameterError);
    await expect(failure).rejects.toMatchObject({
      httpStatus: 406,
      message: expect.stringContaining(message),
    });
    expect(server.seen).toEqual([]);
  });

  it.each<[string, unknown, Call]>([
    ['null for a user', null, (g) => g.getUser('jane')],
    ['a list for a user', [], (g) => g.sendSms('jane')],
    ['a user for a list', user, (g) => g.getAllUsers()],
    ['a list of no users', [null], (g) => g.getAllUsers()],
    ['a string for the errors', 'x', (g) => g.apiErrors()],
  ])('answered with %s is a ServerError', async (_, answer, call) => {
    const { gauthify } = await clientOf(data(answer));
    await expect(firstValueFrom(call(gauthify))).rejects.toBeInstanceOf(
      ServerError,
    );
  });
});

describe('an answer about another user', () => {
  const CALLS: [string, (gauthify: GAuthifyService, id: any) => unknown][] = [
    [
      'createUser',
      (g, uniqueId) => g.createUser({ uniqueId, displayName: 'J' }),
    ],
    ['updateUser', (g, id) => g.updateUser(id, {})],
    ['getUser', (g, id) => g.getUser(id)],
    ['sendEmail', (g, id) => g.sendEmail(id)],
    ['sendSms', (g, id) => g.sendSms(id)],
    ['sendVoice', (g, id) => g.sendVoice(id)],
  ];

  it.each(CALLS)(
    'is a ServerError without that user, of %s',
    async (_, call) => {
      for (const unique_id of ['john', 'JANE', 'jane ', '', 7, ['jane'], {}]) {
        const { gauthify } = await clientOf(data({ ...user, unique_id }));
        const result$ = call(gauthify, 'jane') as Observable<unknown>;
        const error = await failureOf(firstValueFrom(result$));
        expect(error).toBeInstanceOf(ServerError);
        expect(error.message).toContain('another user');
        expect(inspect(error, { showHidden: true })).not.toContain(user.key);
      }
    },
  );

  it.each(CALLS)('is none where the ids are equal, of %s', async (_, call) => {
    for (const [asked, unique_id] of [
      ['a/b?c ü', 'a/b?c ü'],
      [7, '7'],
      ['7', 7],
      ['jane', undefined],
    ]) {
      const { gauthify } = await clientOf(data({ ...user, unique_id }));
      const result$ = call(gauthify, asked) as Observable<unknown>;
      await expect(firstValueFrom(result$)).resolves.toBeInstanceOf(
        GAuthifyUser,
      );
    }
  });

  it('is none to a token, which names nobody', async () => {
    const { gauthify } = await clientOf(data({ ...user, unique_id: 'john' }));
    const john = await firstValueFrom(gauthify.getUserByToken('gatABC'));
    expect(john.uniqueId).toBe('john');
  });
});

describe('an option of a call that does not exist', () => {
  const timeoutMS = 5;
  it.each<[string, string, Call]>([
    ['getUser', 'timeoutMs?', (g) => g.getUser('a', { timeoutMS } as any)],
    ['users', 'timeoutMs?', (g) => g.users({ timeoutMS } as any)],
    ['users', 'pageSize?', (g) => g.users({ pagesize: 5 } as any)],
    ['getAllUsers', 'timeoutMs?', (g) => g.getAllUsers({ timeoutMS } as any)],
    ['health', 'timeoutMs?', (g) => g.health({ timeoutMS } as any)],
    [
      'check',
      'timeoutMs?',
      (g) => g.check('a', '123456', { timeoutMS } as any),
    ],
    [
      'checkAuth',
      'safeMode?',
      (g) => g.checkAuth('a', '123456', { safemode: true } as any),
    ],
    [
      'checkAuth',
      'totalTimeoutMs?',
      (g) => g.checkAuth('a', 'none', { totalTimeout: 1 } as any),
    ],
    [
      'sendSms',
      'there are timeoutMs, totalTimeoutMs',
      (g) => g.sendSms('a', undefined, { safeMode: true } as any),
    ],
  ])('is refused, of %s: %s', async (_, hint, call) => {
    const { gauthify, server } = await clientOf(data(user));
    const error = await failureOf(firstValueFrom(call(gauthify)));
    expect(error).toBeInstanceOf(ParameterError);
    expect(error.message).toContain('there is no such option');
    expect(error.message).toContain(hint);
    expect(server.seen).toEqual([]);
  });
});

describe('options that are null', () => {
  it.each<[string, Call]>([
    ['checkAuth', (g) => g.checkAuth('jane', '123456', null as any)],
    ['users', (g) => g.users(null as any)],
    ['health', (g) => g.health(null as any)],
    ['apiErrors', (g) => g.apiErrors(null as any)],
  ])('are none, of %s', async (_, call) => {
    const { gauthify } = await clientOf((response, request, socket) =>
      data(request.url.includes('users') ? [user] : {})(
        response,
        request,
        socket,
      ),
    );
    await expect(firstValueFrom(call(gauthify))).resolves.toBeDefined();
  });
});

describe('a user', () => {
  it('has what this version does not know in raw, and only there', async () => {
    const { gauthify } = await clientOf(data({ ...user, shoe_size: 42 }));
    const jane = await firstValueFrom(gauthify.getUser('jane'));
    expect(jane).toBeInstanceOf(GAuthifyUser);
    expect(jane.raw).toEqual({ ...user, shoe_size: 42 });
    expect(inspect(jane)).not.toContain('shoe_size');
    expect(JSON.stringify(jane)).not.toContain('shoe_size');
    expect(instanceToPlain(jane)).toEqual(user);
  });
});

describe('a code', () => {
  it.each([
    '12345',
    '1234567',
    '123456789',
    'abcdef',
    "' OR 1=1 --",
    '１２３４５６',
    '     ',
    '12 34-5',
  ])('that cannot be one, %j, is wrong and is not sent', async (code) => {
    const { gauthify, server } = await clientOf(
      data({ unique_id: 'jane', authenticated: true }),
    );
    for (const safeMode of [false, true])
      await expect(
        firstValueFrom(gauthify.checkAuth('jane', code, { safeMode })),
      ).resolves.toBe(false);
    await expect(firstValueFrom(gauthify.check('jane', code))).resolves.toEqual(
      { uniqueId: 'jane', authenticated: false, method: null },
    );
    expect(server.seen).toEqual([]);
  });

  it.each(['123456', '12345678', '123 456', '1234-5678', 123456 as never])(
    'that can be one, %j, is sent',
    async (code) => {
      const { gauthify } = await clientOf(
        data({ unique_id: 'jane', authenticated: true }),
      );
      await expect(
        firstValueFrom(gauthify.checkAuth('jane', code)),
      ).resolves.toBe(true);
    },
  );

  it.each(['john', 'JANE', '', 7, ['jane'], {}])(
    'answered with the right code of %j is a ServerError, in safe mode too',
    async (unique_id) => {
      const { gauthify } = await clientOf(
        data({ unique_id, authenticated: true }),
      );
      for (const safeMode of [false, true])
        await expect(
          firstValueFrom(gauthify.checkAuth('jane', '123456', { safeMode })),
        ).rejects.toBeInstanceOf(ServerError);
    },
  );

  it.each<[unknown, boolean]>([
    [{ authenticated: true }, true],
    [{ authenticated: false }, false],
    [{ authenticated: 'true' }, false],
    [{ authenticated: 1 }, false],
    [{ unique_id: 'jane' }, false],
    [[{ authenticated: true }], false],
    ['true', false],
    [true, false],
    [null, false],
  ])('answered with %j is %p, in safe mode too', async (answer, expected) => {
    const { gauthify } = await clientOf(data(answer));
    for (const safeMode of [false, true])
      await expect(
        firstValueFrom(gauthify.checkAuth('jane', '123456', { safeMode })),
      ).resolves.toBe(expected);
  });
});
