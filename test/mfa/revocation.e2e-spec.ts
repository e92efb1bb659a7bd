/** What ends with a user's epoch: proofs, and what sockets remember. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { Controller, Get, UseGuards } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { GAuthifyService, MfaGuard, ServerError } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { throwError } from 'rxjs';
import { io, type Socket } from 'socket.io-client';
import { call, createUser } from '../helpers/api.js';
import { MFA } from './subjects.js';
import { type GuardedApp, SignInGuard, startApp } from './guarded-app.js';

const secret = randomBytes(32).toString('base64');

@Controller()
@UseGuards(SignInGuard, MfaGuard)
class PageController {
  @Get('page') page() {
    return { in: true };
  }
}

@UseGuards(MfaGuard)
@WebSocketGateway()
class Gateway {
  @SubscribeMessage('page') page() {
    return { event: 'told', data: 'in' };
  }
}

let server: GAuthifyTestServer;
/** Questions about users that GAuthify got. */
let asked = 0;
const running: GuardedApp[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  server = await GAuthifyTestServer.start();
  server.app.getHttpServer().on('request', ({ method }: { method: string }) => {
    if (method === 'GET') asked += 1;
  });
});
afterAll(() => server.close());
afterEach(async () => {
  jest.restoreAllMocks();
  for (const socket of sockets.splice(0)) socket.disconnect();
  for (const { app } of running.splice(0)) await app.close();
});

function later(seconds: number): void {
  const now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now + seconds * 1000);
}

async function start(
  recheckSeconds?: number,
  accessPoint = server.accessPoint,
): Promise<GuardedApp> {
  const started = await startApp(
    'express',
    {
      apiKey: server.apiKey,
      accessPoints: [accessPoint],
      mfa: {
        userId: MFA.userId,
        proof: { secret, audience: 'test', recheckSeconds },
      },
    },
    { controllers: [PageController], providers: [Gateway, SignInGuard] },
    (app) => app.useWebSocketAdapter(new IoAdapter(app)),
  );
  running.push(started);
  return started;
}

/** Somebody with a proof. */
async function proven({ ask }: GuardedApp, user?: any) {
  user ??= await createUser(server, { email: 'jane@example.com' });
  const as = { 'x-user': user.unique_id };
  const { headers } = await ask('GET', '/page', {
    ...as,
    'x-mfa-code': server.totp(user.key),
  });
  const proof = headers.get('x-mfa-proof')!;
  expect(proof).toMatch(/^eyJ/);
  return { user, as: { ...as, 'x-mfa-proof': proof } };
}

const REVOCATIONS: [string, string, (path: string) => Promise<unknown>][] = [
  [
    'reset_key',
    'mfa_required',
    (path) => call(server, 'PUT', path, { reset_key: 'true' }),
  ],
  [
    'another e-mail address',
    'mfa_required',
    (path) => call(server, 'PUT', path, { email: 'new@example.com' }),
  ],
  [
    'deletion',
    'mfa_enrollment_required',
    (path) => call(server, 'DELETE', path),
  ],
];

describe.each(REVOCATIONS)('%s', (_, code, revoke) => {
  it('ends proofs, once recheckSeconds are over', async () => {
    const app = await start();
    const { user, as } = await proven(app);
    await revoke(`users/${user.unique_id}/`);
    later(31);
    const { status, body } = await app.ask('GET', '/page', as);
    expect([status, body.code]).toEqual([
      code === 'mfa_required' ? 401 : 403,
      code,
    ]);
  });

  it('ends nothing where recheckSeconds is 0', async () => {
    const app = await start(0);
    const { user, as } = await proven(app);
    await revoke(`users/${user.unique_id}/`);
    later(800);
    expect((await app.ask('GET', '/page', as)).status).toBe(200);
  });

  it('ends what a socket remembers, and its used code opens nothing', async () => {
    const app = await start();
    const user = await createUser(server, { email: 'jane@example.com' });
    const socket = io(await app.app.getUrl(), {
      transports: ['websocket'],
      extraHeaders: {
        'x-user': user.unique_id,
        'x-mfa-code': server.totp(user.key),
      },
      forceNew: true,
    });
    sockets.push(socket);
    const send = () =>
      new Promise<any>((resolve) => {
        socket.once('told', resolve);
        socket.once('exception', resolve);
        socket.emit('page', {});
      });
    expect(await send()).toBe('in');
    await revoke(`users/${user.unique_id}/`);
    expect(await send()).toBe('in');
    later(31);
    socket.off();
    expect(await send()).toMatchObject({ code });
    expect(await send()).toMatchObject({ code });
  });
});

it('asks about a user once in recheckSeconds, however many requests there are', async () => {
  const first = await start();
  const { as } = await proven(first);
  const second = await start();
  const before = asked;
  for (let i = 0; i < 2; i++) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => second.ask('GET', '/page', as)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  }
  expect(asked).toBe(before + 1);
  later(31);
  expect((await second.ask('GET', '/page', as)).status).toBe(200);
  expect(asked).toBe(before + 2);
});

it('takes a proof of a new epoch at once, also where another instance knows the old one', async () => {
  const [first, second] = [await start(), await start()];
  const old = await proven(first);
  expect((await second.ask('GET', '/page', old.as)).status).toBe(200);
  const { body } = await call(server, 'PUT', `users/${old.user.unique_id}/`, {
    reset_key: 'true',
  });
  const renewed = await proven(first, body.data);
  for (const app of [first, second])
    expect((await app.ask('GET', '/page', renewed.as)).status).toBe(200);
  // And both know by now that the old one is void.
  for (const app of [first, second])
    expect((await app.ask('GET', '/page', old.as)).status).toBe(401);
});

describe('while GAuthify cannot be asked', () => {
  it('lets a proof stand, and asks every two seconds', async () => {
    const { as } = await proven(await start());
    const down = await start(undefined, 'http://127.0.0.1:1/v1/');
    later(0);
    const lookups = jest.spyOn(down.app.get(GAuthifyService), 'getUser');
    for (let i = 0; i < 5; i++)
      expect((await down.ask('GET', '/page', as)).status).toBe(200);
    expect(lookups).toHaveBeenCalledTimes(1);
    later(3);
    expect((await down.ask('GET', '/page', as)).status).toBe(200);
    expect(lookups).toHaveBeenCalledTimes(2);
    later(900);
    expect((await down.ask('GET', '/page', as)).status).toBe(401);
  });

  it('lets a revoked proof stand no longer than two seconds after the next answer', async () => {
    const app = await start();
    const { user, as } = await proven(app);
    await call(server, 'PUT', `users/${user.unique_id}/`, {
      reset_key: 'true',
    });
    const lookups = jest.spyOn(app.app.get(GAuthifyService), 'getUser');
    lookups.mockReturnValueOnce(
      throwError(() => new ServerError('It failed.', { httpStatus: 503 })),
    );
    later(31);
    expect((await app.ask('GET', '/page', as)).status).toBe(200);
    expect((await app.ask('GET', '/page', as)).status).toBe(200);
    expect(lookups).toHaveBeenCalledTimes(1);
    later(3);
    expect((await app.ask('GET', '/page', as)).status).toBe(401);
  });

  it('does not forget that a proof was revoked', async () => {
    const own = await GAuthifyTestServer.start();
    const app = await startApp(
      'express',
      {
        apiKey: own.apiKey,
        accessPoints: [own.accessPoint],
        mfa: { proof: { secret } },
      },
      { controllers: [PageController] },
    );
    running.push(app);
    const user = await createUser(own, { email: 'jane@example.com' });
    const as = { 'x-user': user.unique_id };
    const { headers } = await app.ask('GET', '/page', {
      ...as,
      'x-mfa-code': own.totp(user.key),
    });
    const proof = { ...as, 'x-mfa-proof': headers.get('x-mfa-proof')! };
    await call(own, 'PUT', `users/${user.unique_id}/`, { reset_key: 'true' });
    later(31);
    expect((await app.ask('GET', '/page', proof)).status).toBe(401);
    await own.close();
    later(31);
    expect((await app.ask('GET', '/page', proof)).status).toBe(401);
  });
});
