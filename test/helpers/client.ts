import { once } from 'node:events';
import { Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { inspect } from 'node:util';
import { afterEach } from '@jest/globals';
import { Test } from '@nestjs/testing';
import {
  type GAuthifyError,
  GAuthifyModule,
  type GAuthifyModuleExtras,
  type GAuthifyModuleOptions,
  GAuthifyService,
} from 'nestjs-gauthify';
import {
  type AccessPoint,
  type Respond,
  startAccessPoint,
} from './access-point.js';

const cleanUps: (() => Promise<unknown>)[] = [];

/** Runs after the test that calls this. */
export function afterThisTest(cleanUp: () => Promise<unknown>): void {
  cleanUps.push(cleanUp);
}

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

export const API_KEY = 'test-api-key-which-must-not-leak';

/** Listens on a free port until the test is over; the port. */
export async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterThisTest(async () => {
    if (server instanceof HttpServer) server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

/** An access point that is closed after the test. */
export async function accessPoint(respond: Respond): Promise<AccessPoint> {
  const started = await startAccessPoint(respond);
  afterThisTest(started.close);
  return started;
}

/** URL, with https, of an access point that speaks no TLS. */
export async function noTls(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume();
    socket.end('no TLS\n');
  });
  return `https://127.0.0.1:${await listening(server)}/v1/`;
}

/** The client of an application with these access points. */
export async function client(
  accessPoints: (AccessPoint | string)[],
  options: Partial<GAuthifyModuleOptions & GAuthifyModuleExtras> = {},
): Promise<GAuthifyService> {
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot({
        apiKey: API_KEY,
        accessPoints: accessPoints.map((it) =>
          typeof it === 'string' ? it : it.url,
        ),
        ...options,
      }),
    ],
  }).compile();
  await module.init();
  afterThisTest(() => module.close());
  return module.get(GAuthifyService);
}

/** An access point that answers like this, and its client. */
export async function clientOf(
  respond: Respond,
  options?: Partial<GAuthifyModuleOptions & GAuthifyModuleExtras>,
): Promise<{ gauthify: GAuthifyService; server: AccessPoint }> {
  const server = await accessPoint(respond);
  return { gauthify: await client([server], options), server };
}

/** The error a call ends with. */
export const failureOf = (promise: Promise<unknown>): Promise<GAuthifyError> =>
  promise.then(
    (value) => {
      throw new Error(`expected an error, but got ${inspect(value)}`);
    },
    (error: unknown) => error as GAuthifyError,
  );
