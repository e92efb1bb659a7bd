import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import {
  type CallOptions,
  GAuthifyModule,
  type GAuthifyModuleOptions,
  GAuthifyService,
  ServerError,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { firstValueFrom as first, timeout } from 'rxjs';
import { CLIENT_CLOCK } from '../../lib/client/transport/access-point.js';
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
  API_KEY,
  client,
  failureOf,
  noTls,
} from '../helpers/client.js';
import { lossyProxy } from '../helpers/lossy-proxy.js';

const answering = (respond: Respond) => async () =>
  (await accessPoint(respond)).url;

it.each<[string, () => Promise<string>]>([
  ['refuses connections', deadUrl],
  ['hangs after connect', answering(hang)],
  ['fails at TLS', noTls],
  ['answers 5xx', answering(refusal(503, '500'))],
  ['answers HTML', answering(text(200, '<html>'))],
])('asks a first access point that %s once', async (_, start) => {
  const firstUrl = await start();
  const second = await accessPoint(data(wireUser()));
  const gauthify = await client([firstUrl, second], { timeoutMs: 1000 });
  const asked: string[] = [];
  gauthify.axiosRef.interceptors.request.use((config) => {
    asked.push(config.url!.startsWith(firstUrl) ? 'first' : 'second');
    return config;
  });
  for (let i = 0; i < 4; i++) await first(gauthify.getUser('jane'));
  expect(asked).toEqual(['first', 'second', 'second', 'second', 'second']);
});

it.each<[string, () => Promise<string>]>([
  ['refuses connections', deadUrl],
  ['fails at TLS', noTls],
])('loses no check where the first %s', async (_, start) => {
  const yes = data({ unique_id: 'jane', authenticated: true });
  const gauthify = await client([await start(), await accessPoint(yes)]);
  await expect(first(gauthify.checkAuth('jane', '123456'))).resolves.toBe(true);
});

/** A client of two access points with a clock that is turned by hand. */
async function withClock(points: AccessPoint[]) {
  let now = 0;
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot({
        apiKey: API_KEY,
        accessPoints: points.map(({ url }) => url),
      }),
    ],
  })
    .overrideProvider(CLIENT_CLOCK)
    .useValue(() => now)
    .compile();
  await module.init();
  afterThisTest(() => module.close());
  const gauthify = module.get(GAuthifyService);
  return { gauthify, pass: (ms: number) => (now += ms) };
}

it('comes back to the first after the cool-down, by one call', async () => {
  let isBroken = true;
  const a = await accessPoint((...args) =>
    isBroken ? refusal(503, '500')(...args) : data(wireUser())(...args),
  );
  const b = await accessPoint(data(wireUser()));
  const { gauthify, pass } = await withClock([a, b]);
  const calls = (n: number) =>
    Promise.all(
      Array.from({ length: n }, () => first(gauthify.getUser('jane'))),
    );
  await calls(1);
  pass(29_999);
  await calls(5);
  expect([a.seen.length, b.seen.length]).toEqual([1, 6]);
  pass(1);
  await calls(5);
  expect([a.seen.length, b.seen.length]).toEqual([2, 11]);
  isBroken = false;
  pass(30_000);
  await calls(5);
  expect([a.seen.length, b.seen.length]).toEqual([3, 15]);
  await calls(5);
  expect([a.seen.length, b.seen.length]).toEqual([8, 15]);
});

it('tries what may not be done twice with something harmless first', async () => {
  const a = await accessPoint(refusal(503, '500'));
  const b = await accessPoint(
    data({ unique_id: 'jane', authenticated: true, email: null }),
  );
  const { gauthify, pass } = await withClock([a, b]);
  await first(gauthify.getUser('jane'));
  pass(30_000);
  await expect(first(gauthify.checkAuth('jane', '123456'))).resolves.toBe(true);
  expect(a.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'GET /v1/users/jane/',
    'GET /v1/errors/',
  ]);
});

it('keeps an access point which a caller in a hurry did not wait for', async () => {
  const slow = await accessPoint((...args) =>
    args[1].url.endsWith('slow/') ? undefined : data(wireUser())(...args),
  );
  const second = await accessPoint((...args) =>
    data(wireUser({ unique_id: args[1].url.split('/')[3] }))(...args),
  );
  const gauthify = await client([slow, second]);
  await first(gauthify.getUser('slow', { timeoutMs: 300 }));
  await first(gauthify.getUser('jane'));
  expect([slow.seen.length, second.seen.length]).toEqual([2, 1]);
});

it.each<[string, Partial<GAuthifyModuleOptions>, CallOptions]>([
  ['totalTimeoutMs', { timeoutMs: 1000, totalTimeoutMs: 100 }, {}],
  ['a time-out of the call', { timeoutMs: 100 }, { timeoutMs: 50 }],
])(
  'fails over where %s ends every call before the attempt is late',
  async (_, options, callOptions) => {
    const silent = await accessPoint(hang);
    const second = await accessPoint(data(wireUser()));
    const gauthify = await client([silent, second], options);
    for (let i = 0; i < 3; i++)
      await first(gauthify.getUser('jane', callOptions)).catch(() => undefined);
    // Time enough for the answer: only the silent one must be left out.
    await first(
      gauthify.getUser('jane', { timeoutMs: 5000, totalTimeoutMs: 10_000 }),
    );
    expect(silent.seen.length).toBeLessThan(4);
    expect(second.seen.length).toBeGreaterThan(0);
  },
);

it('fails over where every call is unsubscribed before it is late', async () => {
  const silent = await accessPoint(hang);
  const second = await accessPoint(data(wireUser()));
  const gauthify = await client([silent, second], { timeoutMs: 100 });
  for (let i = 0; i < 3; i++)
    await first(gauthify.getUser('jane').pipe(timeout(60))).catch(() => 0);
  await expect(first(gauthify.getUser('jane'))).resolves.toBeDefined();
  expect(silent.seen.length).toBeLessThan(4);
});

it('leaves a proxy alone that answers 503 in JSON', async () => {
  const a = await accessPoint(refusal(503, '503'));
  const b = await accessPoint(data(wireUser()));
  const gauthify = await client([a, b]);
  for (let i = 0; i < 5; i++) await first(gauthify.getUser('jane'));
  expect([a.seen.length, b.seen.length]).toEqual([1, 5]);
});

it('goes on to ask what worked last where that fails once', async () => {
  const silent = await accessPoint(hang);
  let losses = 0;
  const b = await accessPoint((...args) =>
    losses-- > 0 ? hangUp(...args) : data(wireUser())(...args),
  );
  const gauthify = await client([silent, b], { timeoutMs: 300 });
  await first(gauthify.getUser('jane'));
  losses = 1;
  await first(gauthify.getUser('jane'));
  await first(gauthify.getUser('jane'));
  // Once to find out, and once after the other had closed the connection.
  expect(silent.seen.length).toBe(2);
});

it('takes no wait for one of our connections for a failure', async () => {
  const held: (() => void)[] = [];
  const a = await accessPoint((...args) => {
    held.push(() => data(wireUser())(...args));
  });
  const b = await accessPoint(data(wireUser()));
  const gauthify = await client([a, b], { maxSockets: 1, timeoutMs: 300 });
  const patient = { timeoutMs: 30_000 };
  const arrived = a.nextSocket();
  const ahead = [1, 2].map(() => first(gauthify.getUser('jane', patient)));
  // Behind the two, for the one connection there is.
  const late = first(gauthify.getUser('jane'));
  await arrived;
  const next = a.nextSocket();
  held.shift()!();
  await next;
  await late;
  expect([a.seen.length, b.seen.length]).toEqual([2, 1]);
  held.shift()!();
  await Promise.all(ahead);
  const again = a.nextSocket();
  const last = first(gauthify.getUser('jane', patient));
  await again;
  held.shift()!();
  await last;
  expect(b.seen.length).toBe(1);
});

it('leaves one alone that reads, and hangs where it has to write', async () => {
  const a = await accessPoint((...args) =>
    args[1].method === 'GET' ? data({})(...args) : undefined,
  );
  const b = await accessPoint((...args) => {
    args[0].setHeader('idempotency-scope', 'shared');
    data(wireUser())(...args);
  });
  const gauthify = await client([a, b], { timeoutMs: 200 });
  await first(gauthify.apiErrors());
  const check = failureOf(first(gauthify.sendEmail('jane')));
  await first(gauthify.apiErrors());
  await check;
  await first(gauthify.sendEmail('jane'));
  expect(b.seen.map(({ url }) => url)).toEqual(['/v1/errors/', '/v1/email/']);
});

describe('an interceptor', () => {
  const withTwo = async () => {
    const a = await accessPoint(data({}));
    const b = await accessPoint(data({}));
    return { a, b, gauthify: await client([a, b], { timeoutMs: 500 }) };
  };

  it.each<[string, (response: any) => any]>([
    ['returns only the body', ({ data: body }) => body],
    ['returns nothing', () => undefined],
  ])('that %s ends the call with a ServerError', async (_, change) => {
    const { gauthify } = await withTwo();
    gauthify.axiosRef.interceptors.response.use(change);
    expect(await failureOf(first(gauthify.apiErrors()))).toBeInstanceOf(
      ServerError,
    );
  });

  it('that removes the headers changes nothing of the answer', async () => {
    const { gauthify } = await withTwo();
    gauthify.axiosRef.interceptors.response.use((response: any) => ({
      ...response,
      headers: undefined,
    }));
    await expect(first(gauthify.apiErrors())).resolves.toEqual({});
  });

  it('that throws does not count against the access point', async () => {
    const { gauthify, a, b } = await withTwo();
    let isBroken = true;
    gauthify.axiosRef.interceptors.request.use((config) => {
      if (isBroken) throw new RangeError('of the application');
      return config;
    });
    const error = await failureOf(first(gauthify.checkAuth('jane', '123456')));
    expect((error.cause as Error).message).toContain(
      `${a.url} could not be asked (RangeError in an interceptor?)`,
    );
    isBroken = false;
    await first(gauthify.apiErrors());
    expect([a.seen.length, b.seen.length]).toEqual([1, 0]);
  });
});

it('takes times per call, and refuses those that are none', async () => {
  const gauthify = await client([await accessPoint(hang)]);
  const late = await failureOf(
    first(gauthify.sendEmail('jane', undefined, { totalTimeoutMs: 30 })),
  );
  expect((late.cause as Error).message).toContain('30 ms (totalTimeoutMs)');
  await expect(
    first(gauthify.getUser('jane', { timeoutMs: -1 })),
  ).rejects.toMatchObject({ name: 'ParameterError' });
});

it('loses no call of 500 and does none twice while access points die and come back', async () => {
  const server = await GAuthifyTestServer.start();
  afterThisTest(() => server.close());
  const a = await lossyProxy(server.accessPoint);
  const b = await lossyProxy(server.accessPoint);
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot({
        apiKey: server.apiKey,
        accessPoints: [a.url, b.url],
        accessPointCooldownMs: 1,
        maxSockets: 64,
        timeoutMs: 60_000,
      }),
    ],
  }).compile();
  await module.init();
  afterThisTest(() => module.close());
  const gauthify = module.get(GAuthifyService);
  await first(gauthify.apiErrors());
  // By turns each dies with what is on its way there, comes back, and loses
  // each third answer that the server gave. A call that meets with all of it is
  // through at its fourth attempt, which is the last of two access points.
  const events: [at: number, what: () => void][] = [
    [50, () => a.die()],
    [125, () => a.revive()],
    [150, () => (b.loses = eachThird)],
    [190, () => (b.loses = none)],
    [200, () => b.die()],
    [275, () => b.revive()],
    [300, () => (a.loses = eachThird)],
    [340, () => (a.loses = none)],
    [350, () => a.die()],
    [425, () => a.revive()],
  ];
  let [answered, posts, lost] = [0, 0, 0];
  const none = () => false;
  const eachThird = () => {
    const isLost = ++posts % 3 === 0;
    if (isLost) lost += 1;
    return isLost;
  };
  const made = await Promise.all(
    Array.from({ length: 500 }, async (_, i) => {
      const user = await first(
        gauthify.createUser({ uniqueId: `user-${i}`, displayName: 'x' }),
      );
      answered += 1;
      while (events[0] && answered >= events[0][0]) events.shift()![1]();
      return user;
    }),
  );
  expect(events).toEqual([]);
  expect(lost).toBeGreaterThan(10);
  expect(new Set(made.map(({ uniqueId }) => uniqueId)).size).toBe(500);
  // None was made twice: each answer is of the user who is there.
  const there = new Map(
    (await first(gauthify.getAllUsers())).map((user) => [
      user.uniqueId,
      user.key,
    ]),
  );
  expect(there.size).toBe(500);
  expect(
    made.filter(({ uniqueId, key }) => there.get(uniqueId) !== key),
  ).toEqual([]);
}, 60_000);
