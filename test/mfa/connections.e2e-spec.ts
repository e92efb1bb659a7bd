import 'reflect-metadata';
import { once } from 'node:events';
import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import {
  type OnGatewayConnection,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
} from '@jest/globals';
import { GAuthifyModule, MfaGuard } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { createUser } from '../helpers/api.js';
import { MFA } from './subjects.js';

let server: GAuthifyTestServer;
let app: INestApplication;
/** What the check of each connection came to. */
let outcomes: unknown[];

beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());
afterEach(() => app.close());

@WebSocketGateway()
class Gateway implements OnGatewayConnection {
  constructor(private readonly guard: MfaGuard) {}

  async handleConnection(client: any, request?: object): Promise<void> {
    try {
      outcomes.push(await this.guard.checkConnection(client, request));
    } catch (error) {
      outcomes.push(error);
    } finally {
      (client.disconnect ?? client.close).call(client);
    }
  }
}

async function start(
  Adapter: typeof IoAdapter | typeof WsAdapter,
): Promise<string> {
  outcomes = [];
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot({
        apiKey: server.apiKey,
        accessPoints: [server.accessPoint],
        mfa: { userId: MFA.userId },
      }),
    ],
    providers: [Gateway, MfaGuard],
  }).compile();
  module.useLogger(false);
  app = module.createNestApplication();
  app.useWebSocketAdapter(new Adapter(app));
  await app.listen(0, '127.0.0.1');
  return await app.getUrl();
}

async function connectIo(
  url: string,
  extraHeaders: Record<string, string>,
  auth: object = {},
) {
  const socket = io(url, {
    transports: ['websocket'],
    extraHeaders,
    auth,
    reconnection: false,
  });
  await new Promise((done) => socket.on('disconnect', done));
}

async function connectWs(url: string, headers: Record<string, string>) {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers });
  await once(socket, 'close');
}

describe.each([
  ['socket.io', IoAdapter, connectIo],
  ['ws', WsAdapter, connectWs],
] as const)('checkConnection on %s', (_, Adapter, connect) => {
  it('says who may stay', async () => {
    const url = await start(Adapter);
    const user = await createUser(server);
    const code = server.totp(user.key);
    await connect(url, { 'x-user': user.unique_id, 'x-mfa-code': code });
    await connect(url, { 'x-user': user.unique_id, 'x-mfa-code': code });
    await connect(url, { 'x-user': user.unique_id });
    await connect(url, {});
    expect(outcomes[0]).toBe(true);
    for (const [i, denial] of [
      'mfa_invalid_code',
      'mfa_required',
      'mfa_not_signed_in',
    ].entries()) {
      expect(outcomes[i + 1]).toBeInstanceOf(WsException);
      expect((outcomes[i + 1] as WsException).getError()).toMatchObject({
        code: denial,
      });
    }
  });
});

it('takes the code of a browser’s socket.io from its auth', async () => {
  const url = await start(IoAdapter);
  const user = await createUser(server);
  await connectIo(
    url,
    { 'x-user': user.unique_id },
    { mfaCode: server.totp(user.key) },
  );
  expect(outcomes).toEqual([true]);
});
