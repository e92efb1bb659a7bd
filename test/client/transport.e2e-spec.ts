import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { HttpModule } from '@nestjs/axios';
import axios from 'axios';
import {
  ApiKeyError,
  ConflictError,
  type GAuthifyModuleExtras,
  isGAuthifyError,
  NotFoundError,
  ParameterError,
  RateLimitError,
  ServerError,
} from 'nestjs-gauthify';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import {
  closed,
  data,
  dribble,
  hang,
  json,
  refusal,
  text,
  wireUser,
} from '../helpers/access-point.js';
import {
  accessPoint,
  API_KEY,
  client,
  clientOf,
  failureOf,
} from '../helpers/client.js';

it.each([33, 2000, 10_000])(
  'refuses meta nested %i deep, and sends nothing',
  async (depth) => {
    const { gauthify, server } = await clientOf(data(wireUser()));
    let meta: Record<string, unknown> = {};
    for (let level = 1; level < depth; level++) meta = { a: meta };
    const user = { uniqueId: 'jane', displayName: 'Jane', meta };
    const error = await failureOf(firstValueFrom(gauthify.createUser(user)));
    expect(error).toBeInstanceOf(ParameterError);
    expect(error.message).toBe('meta must be at most 32 levels deep');
    expect(server.seen).toEqual([]);
  },
);

describe.each<[string, boolean, GAuthifyModuleExtras]>([
  ['without interceptors', false, {}],
  ['with an interceptor', true, {}],
  ['with an HttpModule', false, { http: HttpModule.register({}) }],
])('an answer that never ends, %s,', (_, isIntercepted, options) => {
  it('is a ServerError long before the time is over', async () => {
    let sent = 0;
    const chunk = Buffer.alloc(2 ** 18, ' ');
    const { gauthify, server } = await clientOf(
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const go = () => {
          // In case nobody stops it.
          if ((sent += chunk.length) > 2 ** 26) response.end();
          else if (response.write(chunk)) setImmediate(go);
          else response.once('drain', go);
        };
        go();
      },
      { timeoutMs: 60_000, ...options },
    );
    if (isIntercepted)
      gauthify.axiosRef.interceptors.request.use((config) => config);
    const socket = server.nextSocket();
    const error = await failureOf(firstValueFrom(gauthify.getUser('jane')));
    expect(error).toBeInstanceOf(ServerError);
    expect(String(error.cause)).toContain('larger answer');
    await closed(await socket);
    expect(sent).toBeLessThan(2 ** 26);
    expect(server.seen).toHaveLength(1);
  });
});

describe('a request', () => {
  it('carries the key as Basic password, and who sends it', async () => {
    const { gauthify, server } = await clientOf(data([]));
    await firstValueFrom(gauthify.getAllUsers());
    expect(server.seen).toMatchObject([
      {
        method: 'GET',
        url: '/v1/users/?page=1&page_size=1000&after=',
        body: '',
        headers: {
          authorization: `Basic ${Buffer.from(`:${API_KEY}`).toString('base64')}`,
          accept: 'application/json',
          'user-agent': expect.stringMatching(
            /^nestjs-gauthify\/\d+\.\d+\.\d+/,
          ),
        },
      },
    ]);
  });

  it('has its parameters in the body alone, as a form', async () => {
    const { gauthify, server } = await clientOf(data(wireUser()));
    await firstValueFrom(
      gauthify.createUser({
        uniqueId: 'jane',
        displayName: 'Jané & co',
        email: null,
        smsNumber: '+442083661177',
        meta: { a: '=&' },
      }),
    );
    const [request] = server.seen;
    expect(request).toMatchObject({
      method: 'POST',
      url: '/v1/users/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      unique_id: 'jane',
      display_name: 'Jané & co',
      email: '',
      sms_number: '+442083661177',
      meta: '{"a":"=&"}',
    });
  });

  it.each([
    ['a/../b', 'a%2F..%2Fb'],
    ['a?b#c', 'a%3Fb%23c'],
    ['jane@example.com', 'jane%40example.com'],
    ['%2e%2e', '%252e%252e'],
    ['žofie 😀', '%C5%BEofie%20%F0%9F%98%80'],
  ])('percent-encodes the id %s in its path', async (uniqueId, encoded) => {
    const { gauthify, server } = await clientOf(
      data(wireUser({ unique_id: uniqueId })),
    );
    await firstValueFrom(gauthify.getUser(uniqueId));
    expect(server.seen[0]?.url).toBe(`/v1/users/${encoded}/`);
  });

  it('does not follow a redirect, which would carry the key elsewhere', async () => {
    const elsewhere = await accessPoint(data(wireUser()));
    const { gauthify } = await clientOf(
      text(302, '', { location: elsewhere.url }),
    );
    await expect(
      firstValueFrom(gauthify.getUser('jane')),
    ).rejects.toBeInstanceOf(ServerError);
    expect(elsewhere.seen).toEqual([]);
  });

  it('does not depend on, nor show itself to, the shared axios', async () => {
    const { gauthify, server } = await clientOf(data([]));
    const { baseURL, auth } = axios.defaults;
    const urls: unknown[] = [];
    const interceptor = axios.interceptors.request.use((config) => {
      urls.push(config.url);
      return config;
    });
    axios.defaults.baseURL = 'http://127.0.0.1:1/elsewhere/';
    axios.defaults.auth = { username: 'someone', password: 'else' };
    try {
      await firstValueFrom(gauthify.getAllUsers());
    } finally {
      axios.interceptors.request.eject(interceptor);
      Object.assign(axios.defaults, { baseURL, auth });
    }
    expect(urls).toEqual([]);
    expect(server.seen[0]?.headers.authorization).toBe(
      `Basic ${Buffer.from(`:${API_KEY}`).toString('base64')}`,
    );
  });
});

describe('an Observable', () => {
  it('sends nothing before it is subscribed to, and again for each subscription', async () => {
    const { gauthify, server } = await clientOf(data([]));
    const users$ = gauthify.getAllUsers();
    // Another call, through and back: time enough for one that should not be.
    await firstValueFrom(gauthify.getAllUsers());
    expect(server.seen).toHaveLength(1);
    await expect(lastValueFrom(users$.pipe(toArray()))).resolves.toEqual([[]]);
    await lastValueFrom(users$);
    expect(server.seen).toHaveLength(3);
  });

  it('drops the socket when unsubscribed, and asks no further access point', async () => {
    const silent = await accessPoint(hang);
    const second = await accessPoint(data([]));
    const gauthify = await client([silent, second]);
    const arrived = silent.nextSocket();
    const subscription = gauthify.getAllUsers().subscribe();
    const socket = await arrived;
    subscription.unsubscribe();
    await closed(socket);
    expect(second.seen).toEqual([]);
  });

  it.each([
    ['before an answer', hang],
    ['in the middle of a body', dribble],
  ])('drops the socket of an attempt out of time %s', async (_, respond) => {
    const { gauthify, server } = await clientOf(respond, { timeoutMs: 100 });
    const arrived = server.nextSocket();
    const failure = failureOf(firstValueFrom(gauthify.getAllUsers()));
    await closed(await arrived);
    await expect(failure).resolves.toBeInstanceOf(ServerError);
  });
});

describe('an error answer', () => {
  it.each([
    [401, ApiKeyError],
    [402, RateLimitError],
    [404, NotFoundError],
    [406, ParameterError],
    [409, ConflictError],
    [400, ServerError],
    [302, ServerError],
  ])('of %i is final, and has its class', async (status, type) => {
    const first = await accessPoint(refusal(status, 'a_code'));
    const second = await accessPoint(data([]));
    const gauthify = await client([first, second]);
    const error = await failureOf(firstValueFrom(gauthify.getAllUsers()));
    expect(error).toBeInstanceOf(type);
    expect(isGAuthifyError(error)).toBe(true);
    expect(error).toMatchObject({
      message: `Sentence of ${status}`,
      httpStatus: status,
      errorCode: 'a_code',
    });
    expect(error.getStatus()).toBe(type === ServerError ? 500 : status);
    expect(error.responseBody).toMatchObject({ http_status: status });
    expect(error.getResponse()).toEqual({
      statusCode: error.getStatus(),
      code: 'a_code',
      message: `Sentence of ${status}`,
    });
    expect(second.seen).toEqual([]);
  });

  it.each([
    ['7', 7],
    ['0', 0],
    [new Date(0).toUTCString(), 0],
    ['soon', undefined],
    ['-5', undefined],
  ])('with Retry-After %s', async (header, retryAfterSeconds) => {
    const { gauthify } = await clientOf(
      refusal(402, 'too_many_attempts', { 'retry-after': header }),
    );
    await expect(
      firstValueFrom(gauthify.checkAuth('jane', '123456')),
    ).rejects.toMatchObject({ name: 'RateLimitError', retryAfterSeconds });
  });

  it('without a sentence or with a code that forges log lines gets ours', async () => {
    const { gauthify } = await clientOf(
      json(404, { error_message: 7, error_code: 'x\nERROR all is lost' }),
    );
    await expect(
      firstValueFrom(gauthify.getUser('jane')),
    ).rejects.toMatchObject({
      name: 'NotFoundError',
      errorCode: 'not_found',
      message: expect.stringMatching(/GAuthify/),
    });
  });
});
