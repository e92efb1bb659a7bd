/** Whom proofs are for, and where they are handed over. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import {
  Controller,
  Get,
  Header,
  Logger,
  Post,
  UseGuards,
} from '@nestjs/common';
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
import { MfaGuard, type MfaProofOptions } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { decodeJwt } from 'jose';
import { io } from 'socket.io-client';
import { ADAPTERS, createUser } from '../helpers/api.js';
import { type GuardedApp, SignInGuard, startApp } from './guarded-app.js';
import { MFA } from './subjects.js';

const secret = randomBytes(32).toString('base64');

@Controller()
@UseGuards(SignInGuard, MfaGuard)
class PageController {
  @Header('Cache-Control', 'public, max-age=60') @Get('page') page() {
    return { in: true };
  }
  @Post('page') change() {
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
let other: GAuthifyTestServer;
const running: GuardedApp[] = [];
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
  other = await GAuthifyTestServer.start();
});
afterAll(async () => {
  await server.close();
  await other.close();
});
afterEach(async () => {
  jest.restoreAllMocks();
  for (const { app } of running.splice(0)) await app.close();
});

async function start(
  name: (typeof ADAPTERS)[number],
  proof: Partial<MfaProofOptions>,
  gauthify = server,
): Promise<GuardedApp> {
  const started = await startApp(
    name,
    {
      apiKey: gauthify.apiKey,
      accessPoints: [gauthify.accessPoint],
      mfa: {
        userId: MFA.userId,
        // Users of the other realm are none of this one.
        proof: { secret, recheckSeconds: 0, ...proof },
        routes: { guards: [SignInGuard] },
      },
    },
    { controllers: [PageController], providers: [Gateway, SignInGuard] },
    (app) => app.useWebSocketAdapter(new IoAdapter(app)),
  );
  running.push(started);
  return started;
}

async function enter({ ask }: GuardedApp) {
  const user = await createUser(server);
  const as = { 'x-user': user.unique_id as string };
  const answer = await ask('GET', '/page', {
    ...as,
    'x-mfa-code': server.totp(user.key),
  });
  expect(answer.status).toBe(200);
  return { ...answer, user, as };
}

describe('the audience', () => {
  it('keeps applications of one secret and several API keys apart', async () => {
    const [here, there] = [
      await start('express', {}),
      await start('express', {}, other),
    ];
    const { headers, as } = await enter(here);
    const proof = { ...as, 'x-mfa-proof': headers.get('x-mfa-proof')! };
    expect((await here.ask('GET', '/page', proof)).status).toBe(200);
    expect((await there.ask('GET', '/page', proof)).status).toBe(403);
    expect(decodeJwt(proof['x-mfa-proof']).aud).not.toContain(server.apiKey);
  });

  it('lets those accept each other’s that name the same', async () => {
    const [here, there, elsewhere] = [
      await start('express', { audience: 'shop' }),
      await start('express', { audience: 'shop' }, other),
      await start('express', { audience: 'bank' }),
    ];
    const { headers, as } = await enter(here);
    const proof = { ...as, 'x-mfa-proof': headers.get('x-mfa-proof')! };
    expect((await there.ask('GET', '/page', proof)).status).toBe(200);
    expect((await elsewhere.ask('GET', '/page', proof)).status).not.toBe(200);
  });
});

describe.each(ADAPTERS)('with a cookie on %s', (name) => {
  it('hands the proof to no script, and takes it from none', async () => {
    const app = await start(name, { cookie: 'proof' });
    const { headers, as, user } = await enter(app);
    expect(headers.get('x-mfa-proof')).toBeNull();
    const [, proof] = /^proof=([^;]+)/.exec(headers.getSetCookie()[0]!)!;
    const asks = async (more: Record<string, string>) =>
      (await app.ask('GET', '/page', { ...as, ...more })).status;
    expect(await asks({ cookie: `proof=${proof}` })).toBe(200);
    expect(await asks({ 'x-mfa-proof': proof! })).toBe(401);

    jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 30_000);
    const verified = await app.ask('POST', '/mfa/verify', as, {
      code: server.totp(user.key),
    });
    expect(verified.status).toBe(200);
    expect(verified.headers.get('x-mfa-proof')).toBeNull();
    expect(verified.body).not.toHaveProperty('proof');

    const socket = io(await app.app.getUrl(), {
      transports: ['websocket'],
      extraHeaders: as,
      auth: { mfaProof: proof },
      forceNew: true,
    });
    const told = await new Promise((resolve) => {
      socket.on('told', resolve);
      socket.on('exception', resolve);
      socket.emit('page', {});
    });
    socket.disconnect();
    expect(told).toMatchObject({ code: 'mfa_required' });
  });

  it('uses both where header says so', async () => {
    const app = await start(name, { cookie: 'proof', header: true });
    const { headers, as } = await enter(app);
    const proof = headers.get('x-mfa-proof')!;
    expect(headers.getSetCookie()[0]).toContain(`proof=${proof};`);
    for (const brought of [
      { 'x-mfa-proof': proof },
      { cookie: `proof=${proof}` },
    ])
      expect(
        (await app.ask('GET', '/page', { ...as, ...brought } as any)).status,
      ).toBe(200);
  });

  it('finds the proof beside cookies of the same name that somebody else set', async () => {
    const app = await start(name, { cookie: 'proof' });
    const { headers, as } = await enter(app);
    const pair = headers.getSetCookie()[0]!.split(';')[0]!;
    for (const [cookie, status] of [
      [`proof=evil; ${pair}`, 200],
      [`proof; proofs=x; proof==; ${pair}`, 200],
      [`${'proof=evil; '.repeat(4)}${pair}`, 200],
      [`${'proof=a.b.c.d; proof=a.b; proof=a.!.c; '.repeat(4)}${pair}`, 200],
      // The most whose signature is verified.
      [`${'proof=ab.cd.ef; '.repeat(4)}${pair}`, 401],
      [`${pair.replace('proof', 'Proof')}`, 401],
    ] as const)
      expect([
        cookie.slice(0, 20),
        (await app.ask('GET', '/page', { ...as, cookie })).status,
      ]).toEqual([cookie.slice(0, 20), status]);
  });
});

describe.each(ADAPTERS)('a response with a proof on %s', (name) => {
  it.each([{}, { cookie: true }])(
    'is kept by no cache, whatever the handler says: %j',
    async (proof) => {
      const app = await start(name, proof);
      const { headers, as } = await enter(app);
      expect(headers.get('cache-control')).toBe('no-store');
      const kept = headers.get('x-mfa-proof');
      if (!kept) return;
      const again = await app.ask('GET', '/page', {
        ...as,
        'x-mfa-proof': kept,
      });
      expect(again.headers.get('cache-control')).toBe('public, max-age=60');
    },
  );
});

describe('where bindTo returns nothing', () => {
  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    ['', 'an empty string'],
    [7, 'a value of type number'],
  ])(
    'lets a right code in, makes no proof, and says so once: %j',
    async (binding, found) => {
      const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
      const app = await start('express', {
        bindTo: () => binding as string | undefined,
      });
      expect((await enter(app)).headers.get('x-mfa-proof')).toBeNull();
      expect((await enter(app)).headers.get('x-mfa-proof')).toBeNull();
      expect(warn.mock.calls).toEqual([
        [
          expect.stringMatching(
            `^No proof is made: mfa.proof.bindTo returned ${found}`,
          ),
        ],
      ]);
    },
  );
});

it('reads no proof that is longer than a cookie can be', async () => {
  const app = await start('express', {});
  const { headers, as } = await enter(app);
  const proof = `${headers.get('x-mfa-proof')!}${'A'.repeat(4096)}`;
  const { body } = await app.ask('GET', '/page', {
    ...as,
    'x-mfa-proof': proof,
  });
  expect(body.code).toBe('mfa_required');
});
