/** Whom safe mode lets in, and when: not more, whatever the person being checked does. */
import 'reflect-metadata';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { describe, expect, it, jest } from '@jest/globals';
import { HttpModule } from '@nestjs/axios';
import { Logger } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { GAuthifyModule, GAuthifyService, ServerError } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { firstValueFrom as first, forkJoin } from 'rxjs';
import {
  data,
  deadUrl,
  hang,
  hangUp,
  json,
  refusal,
  type Respond,
  text,
  wireUser,
} from '../helpers/access-point.js';
import { createUser, wrongCode } from '../helpers/api.js';
import {
  accessPoint,
  afterThisTest,
  API_KEY,
  client,
  clientOf,
  failureOf,
  noTls,
} from '../helpers/client.js';
import { filteringProxy, type Refusal } from '../helpers/filtering-proxy.js';

/** What is logged at warn during the test, but for access points that are down. */
function warnings(): unknown[][] {
  const calls: unknown[][] = [];
  const warn = jest
    .spyOn(Logger.prototype, 'warn')
    .mockImplementation((...line: unknown[]) => {
      if (!/^Access point down: /.test(String(line[0]))) calls.push(line);
    });
  afterThisTest(async () => warn.mockRestore());
  return calls;
}

const CODE = '918273';
const USER_ID = 'jane@example.com';
const safeMode = true;

const checks = (gauthify: GAuthifyService, code = CODE) =>
  first(gauthify.checkAuth(USER_ID, code, { safeMode }));

/** Answers the probe of safe mode like this, and the check like that. */
const probeAndCheck =
  (probe: Respond, check: Respond): Respond =>
  (response, request, socket) =>
    (request.url === '/v1/errors/' ? probe : check)(response, request, socket);

/** A client by an `HttpModule` of the application. */
async function clientByHttpModule(
  url: string,
  http: Parameters<typeof HttpModule.register>[0],
  timeoutMs = 300,
): Promise<GAuthifyService> {
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot({
        apiKey: API_KEY,
        accessPoints: [url],
        timeoutMs,
        http: HttpModule.register(http),
      }),
    ],
  }).compile();
  afterThisTest(() => module.close());
  return module.get(GAuthifyService);
}

describe('safe mode lets in, with a warning, when GAuthify', () => {
  it.each<[string, Respond, string]>([
    ['fails', refusal(500), 'answered 500'],
    ['is silent', hang, 'did not answer'],
    ['closes connections', hangUp, 'closed the connection'],
    ['is not there but a page is', text(200, '<html>'), 'answered 200'],
  ])('%s', async (_, respond, reason) => {
    const logged = warnings();
    const { gauthify, server } = await clientOf(respond, { timeoutMs: 400 });
    await expect(checks(gauthify)).resolves.toBe(true);
    expect(logged).toEqual([
      [
        expect.stringContaining(
          `safeMode let someone in without a check: ${server.url} ${reason}`,
        ),
      ],
    ]);
    expect(JSON.stringify(logged)).not.toMatch(
      new RegExp(`${API_KEY}|${CODE}|${USER_ID}`),
    );
  });

  it.each([
    ['refuses connections', deadUrl],
    ['fails at TLS', noTls],
  ])('%s', async (_, start) => {
    const logged = warnings();
    const gauthify = await client([await start()]);
    await expect(checks(gauthify)).resolves.toBe(true);
    expect(logged).toHaveLength(1);
  });

  it('fails at every access point', async () => {
    const logged = warnings();
    const second = await accessPoint(refusal(502));
    const gauthify = await client([await deadUrl(), second]);
    await expect(checks(gauthify)).resolves.toBe(true);
    expect(logged).toHaveLength(1);
  });

  it('refuses connections to an HttpModule of the application', async () => {
    warnings();
    const gauthify = await clientByHttpModule(await deadUrl(), {});
    await expect(checks(gauthify)).resolves.toBe(true);
  });

  it('is silent to an HttpModule of the application', async () => {
    warnings();
    const silent = await accessPoint(hang);
    const gauthify = await clientByHttpModule(silent.url, {});
    await expect(checks(gauthify)).resolves.toBe(true);
  });
});

describe('safe mode does not let in who', () => {
  it.each<[string, string, Respond, string]>([
    ['sends no code', '', refusal(500), 'ParameterError'],
    ['sends too long a code', '1'.repeat(65), refusal(500), 'ParameterError'],
    [
      'sends what GAuthify takes for no code',
      CODE,
      refusal(406),
      'ParameterError',
    ],
    ['guessed until the limit', CODE, refusal(402), 'RateLimitError'],
    ['is nobody', CODE, refusal(404), 'NotFoundError'],
    ['brings about a conflict', CODE, refusal(409), 'ConflictError'],
    ['makes a bad request of it', CODE, refusal(400), 'ServerError'],
    ['comes after the API key was revoked', CODE, refusal(401), 'ApiKeyError'],
    ['is refused by a proxy', CODE, text(403, '<html>'), 'ServerError'],
    ['is limited by a proxy', CODE, json(429, { a: 1 }), 'ServerError'],
    ['is redirected to a puzzle', CODE, text(302, ''), 'ServerError'],
  ])('%s', async (_, code, respond, name) => {
    const logged = warnings();
    const { gauthify } = await clientOf(respond);
    const error = await failureOf(checks(gauthify, code));
    expect(error.name).toBe(name);
    expect(logged).toEqual([]);
  });

  it.each<[string, Respond, Respond]>([
    ['fails the check', data({}), refusal(500)],
    ['hangs up at the check', data({}), hangUp],
    ['gets no answer to the check', data({}), hang],
    ['is told something else at the check', data({}), text(200, '<html>')],
    // The check is refused by the filter, and the probe meets what it fell into.
    ['makes the check a 403', hangUp, text(403, '<html>')],
    ['makes the check a 429', refusal(500), json(429, {})],
    ['makes the probe a 401', text(401, '<html>'), hangUp],
    ['makes the probe a 403', text(403, '<html>'), hangUp],
    ['makes the probe a 429', json(429, {}), refusal(503)],
    ['gets the probe redirected', text(302, ''), hangUp],
  ])('%s, while GAuthify is up', async (_, probe, check) => {
    const logged = warnings();
    const { gauthify } = await clientOf(probeAndCheck(probe, check), {
      timeoutMs: 400,
    });
    await expect(checks(gauthify)).rejects.toBeInstanceOf(ServerError);
    expect(logged).toEqual([]);
  });

  it('comes while one of two access points is up', async () => {
    const logged = warnings();
    const up = await accessPoint(probeAndCheck(data({}), hangUp));
    const gauthify = await client([await deadUrl(), up]);
    await expect(checks(gauthify)).rejects.toBeInstanceOf(ServerError);
    expect(logged).toEqual([]);
  });

  it('is checked by another client than the one that failed', async () => {
    const [mine, other] = [
      await client([await deadUrl()]),
      await client([await deadUrl()]),
    ];
    const error = await failureOf(first(other.getUser(USER_ID)));
    await expect(first(other.isUnreachable(error))).resolves.toBe(true);
    await expect(first(mine.isUnreachable(error))).resolves.toBe(false);
    for (const made of [new ServerError('made up'), null, undefined, 'x'])
      await expect(first(mine.isUnreachable(made))).resolves.toBe(false);
  });

  const wall = '<html><h1>Request blocked</h1></html>';
  it.each<[string, Refusal]>([
    ['403 page', { status: 403, type: 'text/html', body: wall }],
    ['403 of JSON', { status: 403, type: 'application/json', body: '{}' }],
    ['429 page', { status: 429, type: 'text/html', body: wall }],
    ['429 of JSON', { status: 429, type: 'application/json', body: '{}' }],
  ])('draws a %s from a filter, of 75 who guess', async (_, blocked) => {
    const logged = warnings();
    const server = await GAuthifyTestServer.start();
    afterThisTest(() => server.close());
    const unique_id = "' OR 1=1 --";
    const { key } = await createUser(server, { unique_id });
    let requests = 0;
    const url = await filteringProxy(server.accessPoint, (body) =>
      /OR\+1/.test(body) || ++requests > 50 ? blocked : undefined,
    );
    const gauthify = await client([url], { apiKey: server.apiKey });
    const wrong = wrongCode(server, key);
    const suspicious = ["' OR 1=1 --", '<script>', '../../etc/passwd', '12345'];
    const guesses = Array.from({ length: 75 }, (_, i) =>
      i % 3 ? wrong : suspicious[i % suspicious.length]!,
    );
    const answers = await Promise.all(
      guesses.map((code) =>
        first(gauthify.checkAuth(unique_id, code, { safeMode })).catch(
          (error: Error) => error.name,
        ),
      ),
    );
    expect(answers.filter((answer) => answer === true)).toEqual([]);
    expect(answers.filter((answer) => answer === false)).toHaveLength(25);
    expect(answers.filter((answer) => answer === 'ServerError')).toHaveLength(
      50,
    );
    expect(logged).toEqual([]);
  });

  it('empties the bucket of a rate limiter that answers 503', async () => {
    const logged = warnings();
    const server = await GAuthifyTestServer.start();
    afterThisTest(() => server.close());
    const { key } = await createUser(server, { unique_id: USER_ID });
    const wrong = wrongCode(server, key);
    const busy = { status: 503, type: 'text/html', body: wall };
    // As nginx's limit_req: a request a second, after a burst of 4.
    let level = 0;
    let lastAt = performance.now();
    const url = await filteringProxy(server.accessPoint, () => {
      const now = performance.now();
      level = Math.max(0, level - (now - lastAt) / 1000);
      lastAt = now;
      if (level > 3) return busy;
      level += 1;
      return undefined;
    });
    const gauthify = await client([url], { apiKey: server.apiKey });
    let isOver = false;
    const ask = async () => {
      while (!isOver) await first(gauthify.getUser(USER_ID)).catch(() => 0);
    };
    const flood = [1, 2, 3, 4].map(ask);
    await failureOf(
      first(
        forkJoin(Array.from({ length: 9 }, () => gauthify.getUser(USER_ID))),
      ),
    );
    const answers: unknown[] = [];
    for (let i = 0; i < 40; i++)
      answers.push(
        await checks(gauthify, wrong).catch((error: Error) => error.name),
      );
    isOver = true;
    await Promise.all(flood);
    expect(answers).toContain('ServerError');
    expect(answers).not.toContain(true);
    expect(logged).toEqual([]);
  });

  it('comes within timeoutMs of an answer to anybody', async () => {
    const logged = warnings();
    let respond: Respond = data(wireUser({ unique_id: USER_ID }));
    const { gauthify } = await clientOf((...args) => respond(...args));
    await first(gauthify.getUser(USER_ID));
    const now = jest.spyOn(performance, 'now');
    afterThisTest(async () => now.mockRestore());
    respond = hangUp;
    await expect(checks(gauthify)).rejects.toBeInstanceOf(ServerError);
    expect(logged).toEqual([]);
    const later = performance.now() + 5000;
    now.mockImplementation(() => later);
    await expect(checks(gauthify)).resolves.toBe(true);
  });

  it('draws one failure of a proxy from the check and the probe', async () => {
    const logged = warnings();
    let probes = 0;
    const { gauthify } = await clientOf(
      probeAndCheck(
        (...args) => {
          probes += 1;
          (probes === 1 ? text(503, wall) : data({}))(...args);
        },
        text(503, wall),
      ),
    );
    await expect(checks(gauthify)).rejects.toBeInstanceOf(ServerError);
    expect(probes).toBe(2);
    expect(logged).toEqual([]);
  });

  it('exhausts our connections: 4,000 at once, at a slow server', async () => {
    const logged = warnings();
    const { gauthify, server } = await clientOf(
      (...args) =>
        void setTimeout(() => {
          const [, { url }] = args;
          const authenticated = { unique_id: USER_ID, authenticated: false };
          data(url === '/v1/errors/' ? {} : authenticated)(...args);
        }, 100),
      { maxSockets: 4, timeoutMs: 1000 },
    );
    const answers = await Promise.all(
      Array.from({ length: 4000 }, () =>
        checks(gauthify).catch((error: Error) => error.name),
      ),
    );
    expect(answers.filter((answer) => answer === true)).toEqual([]);
    // Most waited in vain for a connection; how many depends on the machine.
    expect(answers).toContain('ServerError');
    expect(server.seen.length).toBeLessThan(4000);
    expect(logged).toEqual([]);
  });

  it.each<[string, (url: string) => Promise<GAuthifyService>]>([
    [
      'our connections',
      (url) => client([url], { maxSockets: 2, timeoutMs: 400 }),
    ],
    [
      'connections of an HttpModule of the application',
      (url) =>
        clientByHttpModule(url, { httpAgent: new Agent({ maxSockets: 2 }) }),
    ],
  ])('keeps all %s busy', async (_, start) => {
    const logged = warnings();
    const server = await accessPoint(probeAndCheck(data({}), hang));
    const gauthify = await start(server.url);
    const busy = [1, 2].map(() =>
      gauthify.getUser('x', { timeoutMs: 60_000 }).subscribe(),
    );
    await server.nextSocket();
    await Promise.all(
      Array.from({ length: 50 }, () =>
        expect(checks(gauthify)).rejects.toBeInstanceOf(ServerError),
      ),
    );
    busy.forEach((subscription) => subscription.unsubscribe());
    expect(logged).toEqual([]);
  });

  it('blocks our own process until everything is late', async () => {
    const logged = warnings();
    let isProbed: () => void;
    const probed = new Promise<void>((resolve) => (isProbed = resolve));
    const { gauthify } = await clientOf(
      probeAndCheck((...args) => {
        data({})(...args);
        isProbed();
      }, hangUp),
      { timeoutMs: 300 },
    );
    const answer = failureOf(checks(gauthify));
    await probed;
    // The answer is written, and the time of the probe is over before it is read.
    const until = performance.now() + 400;
    while (performance.now() < until);
    await expect(answer).resolves.toMatchObject({ name: 'ServerError' });
    expect(logged).toEqual([]);
  });

  it('comes after the application was shut down', async () => {
    const logged = warnings();
    const module = await Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({
          apiKey: API_KEY,
          accessPoints: [(await accessPoint(data({}))).url],
        }),
      ],
    }).compile();
    module.enableShutdownHooks();
    await module.close();
    await expect(checks(module.get(GAuthifyService))).rejects.toMatchObject({
      name: 'ServerError',
    });
    expect(logged).toEqual([]);
  });
});

describe('the probe of safe mode', () => {
  it('is one for all who wait, is reused, and uses a new connection each time', async () => {
    warnings();
    const sockets: unknown[] = [];
    const { gauthify, server } = await clientOf((response, request, socket) => {
      if (request.url === '/v1/errors/') sockets.push(socket);
      refusal(500)(response, request, socket);
    });
    const now = jest.spyOn(performance, 'now');
    afterThisTest(async () => now.mockRestore());
    const all = await Promise.all(
      Array.from({ length: 50 }, () => checks(gauthify)),
    );
    expect(all).toEqual(Array(50).fill(true));
    // A 500 must persist: a second probe follows a second later.
    expect(sockets).toHaveLength(2);
    await checks(gauthify);
    expect(sockets).toHaveLength(2);
    const later = performance.now() + 2000;
    now.mockImplementation(() => later);
    await checks(gauthify);
    expect(new Set(sockets).size).toBe(3);
    expect(sockets).not.toContain(undefined);
    const probes = server.seen.filter(({ url }) => url === '/v1/errors/');
    expect(probes.map(({ headers }) => headers.connection)).toEqual([
      'close',
      'close',
      'close',
    ]);
    expect(JSON.stringify(probes)).not.toMatch(
      new RegExp(`${CODE}|${USER_ID}`),
    );
  });

  it('ends when nobody waits for it any more', async () => {
    warnings();
    const server = await accessPoint(probeAndCheck(hang, hangUp));
    const gauthify = await client([server]);
    const subscription = gauthify
      .checkAuth(USER_ID, CODE, { safeMode })
      .subscribe();
    await server.nextSocket();
    const socket = await server.nextSocket();
    subscription.unsubscribe();
    if (!socket.closed) await once(socket, 'close');
    expect(server.seen.map(({ url }) => url)).toEqual([
      '/v1/check/',
      '/v1/errors/',
    ]);
  });
});

it.each<[string, object | undefined]>([
  ['left out', undefined],
  ['false', { safeMode: false }],
  ['not plainly true', { safeMode: 'false' }],
])('is off where it is %s', async (_, options) => {
  const { gauthify } = await clientOf(refusal(500));
  await expect(
    first(gauthify.checkAuth(USER_ID, CODE, options)),
  ).rejects.toMatchObject({ name: 'ServerError' });
});
