import 'reflect-metadata';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ServerError } from 'nestjs-gauthify';
import { firstValueFrom as first } from 'rxjs';
import { data, wireUser } from '../helpers/access-point.js';
import {
  accessPoint,
  client,
  failureOf,
  listening,
} from '../helpers/client.js';

const NAMES = ['http_proxy', 'https_proxy', 'no_proxy'];
const before = NAMES.map((name) => [name, process.env[name]] as const);
beforeEach(() => NAMES.forEach((name) => delete process.env[name]));
afterEach(() =>
  before.forEach(([name, value]) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }),
);

/** A proxy that passes http on, and tunnels nothing; what it was asked. */
async function forwardProxy(): Promise<string[]> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.pipe(
      httpRequest(
        request.url!,
        { method: request.method, headers: request.headers, agent: false },
        (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        },
      ),
    );
  });
  server.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`);
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  const port = await listening(server);
  process.env['http_proxy'] = process.env['https_proxy'] =
    `http://127.0.0.1:${port}`;
  return seen;
}

it('asks through the proxy of the environment, without a tunnel for http', async () => {
  const server = await accessPoint(data(wireUser()));
  const seen = await forwardProxy();
  const gauthify = await client([server]);
  await first(gauthify.sendEmail('jane', 'jane@example.com'));
  expect(seen).toEqual([`POST ${server.url}email/`]);
  expect(server.seen[0]?.body).toContain('jane%40example.com');
});

it('says that nothing was sent where the proxy refuses a tunnel', async () => {
  await forwardProxy();
  const gauthify = await client(['https://gauthify.example/v1/']);
  const error = await failureOf(first(gauthify.sendSms('jane')));
  expect((error.cause as Error).message).toBe(
    'https://gauthify.example/v1/ could not be asked (UND_ERR_ABORTED)',
  );
});

it('leaves a proxy alone that closes every connection', async () => {
  let connections = 0;
  const proxy = createTcp((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.once('data', () => socket.destroy());
  });
  const port = await listening(proxy);
  process.env['https_proxy'] = `http://127.0.0.1:${port}`;
  const gauthify = await client(['https://gauthify.example/v1/'], {
    timeoutMs: 10_000,
  });
  await expect(first(gauthify.sendSms('jane'))).rejects.toBeInstanceOf(
    ServerError,
  );
  // A connection of our own goes through after all that are on their way.
  const last = connect(port, '127.0.0.1');
  await once(last, 'connect');
  last.destroy();
  expect(connections).toBeLessThan(5);
});
