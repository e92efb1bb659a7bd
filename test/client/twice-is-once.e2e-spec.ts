import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { GAuthifyModule, GAuthifyService, ServerError } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { Test } from '@nestjs/testing';
import { firstValueFrom as first, lastValueFrom } from 'rxjs';
import {
  type AccessPoint,
  data,
  deadUrl,
  hang,
  hangUp,
  refusal,
  type Respond,
  text,
  wireUser,
} from '../helpers/access-point.js';
import {
  accessPoint,
  afterThisTest,
  client,
  failureOf,
} from '../helpers/client.js';
import { lossyProxy } from '../helpers/lossy-proxy.js';

async function server() {
  const started = await GAuthifyTestServer.start();
  afterThisTest(() => started.close());
  return started;
}

async function clientAt(apiKey: string, ...accessPoints: string[]) {
  const module = await Test.createTestingModule({
    imports: [GAuthifyModule.forRoot({ apiKey, accessPoints })],
  }).compile();
  await module.init();
  afterThisTest(() => module.close());
  return module.get(GAuthifyService);
}

/** A server behind two access points, of which the first loses answers to POST once. */
async function lossy() {
  const real = await server();
  const a = await lossyProxy(real.accessPoint);
  const b = await lossyProxy(real.accessPoint);
  const gauthify = await clientAt(real.apiKey, a.url, b.url);
  const user = await first(
    gauthify.createUser({
      uniqueId: 'jane',
      displayName: 'Jane',
      email: 'jane@example.com',
    }),
  );
  a.loses = ({ method }) => method === 'POST';
  return { real, a, b, gauthify, user };
}

describe('where the answer is lost after the server acted', () => {
  it('a check says true, of a code that is used up by it', async () => {
    const { real, gauthify, user, a, b } = await lossy();
    const code = real.totp(user.key);
    await expect(first(gauthify.checkAuth('jane', code))).resolves.toBe(true);
    expect(a.seen).toContain('POST /v1/check/');
    // The second access point was asked whether it has the same answers.
    expect(b.seen).toEqual(['GET /v1/errors/', 'POST /v1/check/']);
    // Another call is another check, though the code is the same.
    await expect(first(gauthify.checkAuth('jane', code))).resolves.toBe(false);
  });

  it('a send is sent once', async () => {
    const { real, gauthify } = await lossy();
    await expect(first(gauthify.sendEmail('jane'))).resolves.toMatchObject({
      uniqueId: 'jane',
    });
    expect(real.outbox).toHaveLength(1);
    await expect(
      first(gauthify.checkAuth('jane', real.lastCode())),
    ).resolves.toBe(true);
  });

  it('a user is made once, and no conflict', async () => {
    const { gauthify } = await lossy();
    const joe = await first(
      gauthify.createUser({ uniqueId: 'joe', displayName: 'Joe' }),
    );
    expect(joe.uniqueId).toBe('joe');
    expect(await first(gauthify.getUser('joe'))).toEqual(joe);
    expect(await first(gauthify.getAllUsers())).toHaveLength(2);
  });

  it('the very first call of a process is no exception', async () => {
    const real = await server();
    const a = await lossyProxy(real.accessPoint);
    const b = await lossyProxy(real.accessPoint);
    a.loses = ({ method }) => method === 'POST';
    const gauthify = await clientAt(real.apiKey, a.url, b.url);
    await first(gauthify.createUser({ uniqueId: 'joe', displayName: 'Joe' }));
    expect(await first(gauthify.getAllUsers())).toHaveLength(1);
    expect(
      [...a.seen, ...b.seen].filter((it) => it.startsWith('POST')),
    ).toEqual(['POST /v1/users/', 'POST /v1/users/']);
  });

  it('the only access point is asked again where it closed the connection', async () => {
    const real = await server();
    const a = await lossyProxy(real.accessPoint);
    const gauthify = await clientAt(real.apiKey, a.url);
    await first(gauthify.apiErrors());
    let losses = 1;
    a.loses = () => losses-- > 0;
    await first(gauthify.createUser({ uniqueId: 'joe', displayName: 'Joe' }));
    expect(a.seen).toEqual([
      'GET /v1/errors/',
      'POST /v1/users/',
      'GET /v1/errors/',
      'POST /v1/users/',
    ]);
  });

  it('an error, where another database has come to the place of the first', async () => {
    const acted: string[] = [];
    let scope = 'before';
    const a = await accessPoint((response, request, socket) => {
      response.setHeader('idempotency-scope', scope);
      if (request.method === 'POST') {
        acted.push(scope);
        scope = 'after';
        hangUp(response, request, socket);
      } else data({})(response, request, socket);
    });
    const gauthify = await client([a]);
    await first(gauthify.apiErrors());
    await expect(first(gauthify.sendSms('jane'))).rejects.toBeInstanceOf(
      ServerError,
    );
    expect(acted).toEqual(['before']);
  });

  it('once also where an interceptor repeats the request', async () => {
    const acted: string[] = [];
    let isListening = true;
    const a = await accessPoint((response, request, socket) => {
      if (request.method === 'GET') {
        data({})(response, request, socket);
        return;
      }
      acted.push('a');
      isListening = false;
      hangUp(response, request, socket);
    });
    const b = await accessPoint((...args) => {
      if (args[1].method === 'POST') acted.push('b');
      data(wireUser())(...args);
    });
    const gauthify = await client([a, b]);
    const nobody = await deadUrl();
    gauthify.axiosRef.interceptors.response.use(
      (response) => response,
      (error) => {
        if (error.config.isRepeated) throw error;
        // To where nothing listens: the last error says that nothing was sent.
        const url = isListening ? error.config.url : nobody;
        return gauthify.axiosRef.request({
          ...error.config,
          url,
          isRepeated: true,
        });
      },
    );
    await expect(first(gauthify.sendSms('jane'))).rejects.toBeInstanceOf(
      ServerError,
    );
    expect(acted).toEqual(['a']);
  });

  it('an error, where the next access point has another database', async () => {
    const { real, a, user } = await lossy();
    const other = await GAuthifyTestServer.start({
      apiKeys: [{ realm: 'shared', key: real.apiKey }],
    });
    afterThisTest(() => other.close());
    const b = await lossyProxy(other.accessPoint);
    const gauthify = await clientAt(real.apiKey, a.url, b.url);
    await first(gauthify.apiErrors());
    await expect(
      first(gauthify.checkAuth('jane', real.totp(user.key))),
    ).rejects.toBeInstanceOf(ServerError);
    expect(b.seen).toEqual(['GET /v1/errors/']);
  });
});

describe('a server that knows nothing of keys', () => {
  const check = (gauthify: GAuthifyService) =>
    first(gauthify.checkAuth('jane', '123456'));
  const yes = data({ unique_id: 'jane', authenticated: true });

  const posts = ({ seen }: AccessPoint) =>
    seen.filter(({ method }) => method === 'POST').length;

  const LOSSES: [string, Respond][] = [
    ['a closed connection', hangUp],
    ['a 500', refusal(500, '500')],
    ['a 502 of a proxy', text(502, '<html>')],
    ['garbage', text(200, '{"data":')],
  ];

  it.each(LOSSES)(
    'is not asked twice for a check after %s',
    async (_, respond) => {
      const a = await accessPoint((response, request, socket) =>
        (request.method === 'POST' ? respond : data({}))(
          response,
          request,
          socket,
        ),
      );
      const b = await accessPoint(yes);
      const error = await failureOf(check(await client([a, b])));
      expect(error).toBeInstanceOf(ServerError);
      expect((error.cause as Error).message).toContain(
        'Any other was not asked: the request may already have been processed',
      );
      expect([posts(a), b.seen.length]).toEqual([1, 0]);
    },
  );

  it.each<[string, Respond]>([...LOSSES, ['silence', hang]])(
    'is told by something harmless where a first access point has only %s',
    async (_, respond) => {
      const a = await accessPoint(respond);
      const b = await accessPoint(yes);
      const gauthify = await client([a, b], { timeoutMs: 200 });
      await expect(check(gauthify)).resolves.toBe(true);
      await expect(check(gauthify)).resolves.toBe(true);
      expect([a, b].map((it) => it.seen.map(({ url }) => url))).toEqual([
        ['/v1/errors/'],
        ['/v1/errors/', '/v1/check/', '/v1/check/'],
      ]);
    },
  );

  it('is asked at once where it is the only one', async () => {
    const a = await accessPoint(yes);
    await expect(check(await client([a]))).resolves.toBe(true);
    expect(a.seen.map(({ url }) => url)).toEqual(['/v1/check/']);
  });

  it.each([
    ['a closed connection', hangUp],
    ['a 500', refusal(500, '500')],
  ])('is with retry: legacy, after %s', async (_, respond) => {
    const a = await accessPoint(respond);
    const b = await accessPoint(yes);
    const gauthify = await client([a, b], { retry: 'legacy' });
    await expect(check(gauthify)).resolves.toBe(true);
    expect([a.seen.length, b.seen.length]).toEqual([1, 1]);
  });

  it.each([
    ['a page', text(200, '<html>')],
    ['a 404 page', text(404, '<html>')],
    ['a 429', refusal(429)],
  ])('is, after %s, which is no server that acted', async (_, respond) => {
    const a = await accessPoint(respond);
    const b = await accessPoint(yes);
    await expect(check(await client([a, b]))).resolves.toBe(true);
  });

  it('is asked twice for what does no harm', async () => {
    const a = await accessPoint(hangUp);
    const b = await accessPoint(data(wireUser()));
    const gauthify = await client([a, b]);
    await first(gauthify.getUserByToken('gat123'));
    expect(b.seen).toHaveLength(1);
  });
});

it('gives each subscription a key of its own, the same at each attempt', async () => {
  const a = await accessPoint(refusal(500, '500'));
  const b = await accessPoint(data(wireUser()));
  const gauthify = await client([a, b], { retry: 'legacy' });
  const call$ = gauthify.sendEmail('jane');
  await lastValueFrom(call$);
  await lastValueFrom(call$);
  const keys = [...a.seen, ...b.seen].map(
    ({ headers }) => headers['idempotency-key'],
  );
  expect(keys).toHaveLength(3);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[0]);
  await first(gauthify.getUser('jane'));
  expect(b.seen.at(-1)?.headers).not.toHaveProperty('idempotency-key');
});
