/** One signed-in user must not use up the rate limit in front of GAuthify: its 503 would look like an outage. */
import 'reflect-metadata';
import { request as httpRequest } from 'node:http';
import { Controller, Get, Logger, UseGuards } from '@nestjs/common';
import { afterEach, expect, it, jest } from '@jest/globals';
import { MfaGuard, type MfaOptions } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  type AccessPoint,
  data,
  refusal,
  type Respond,
  startAccessPoint,
  text,
  wireUser,
} from '../helpers/access-point.js';
import { createUser } from '../helpers/api.js';
import { type GuardedApp, SignInGuard, startApp } from './guarded-app.js';

@Controller()
@UseGuards(SignInGuard, MfaGuard)
class PageController {
  @Get('page') page() {
    return { in: true };
  }
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(respond: Respond, mfa: MfaOptions = {}) {
  const point: AccessPoint = await startAccessPoint(respond);
  closing.push(point.close);
  const { app, ask }: GuardedApp = await startApp(
    'express',
    {
      apiKey: 'key',
      accessPoints: [point.url],
      mfa: { routes: { guards: [SignInGuard] }, ...mfa },
    },
    { controllers: [PageController] },
  );
  closing.push(() => app.close());
  const seen = () => point.seen.map(({ method, url }) => `${method} ${url}`);
  return { ask, seen };
}

const jane = { 'x-user': 'jane' };

it.each<[string, Respond, number]>([
  ['a user', data(wireUser({ email: 'jane@example.com' })), 200],
  ['nobody GAuthify knows', refusal(404, 'user_not_found'), 200],
  ['a user while GAuthify fails', text(503, '<h1>busy</h1>'), 503],
])('asks about %s once a second, whatever asks', async (_, respond, status) => {
  jest.spyOn(Logger.prototype, 'error').mockReturnValue();
  const { ask, seen } = await start(respond);
  const now = Date.now();
  const clock = jest.spyOn(Date, 'now').mockReturnValue(now);
  const statuses = [];
  for (let i = 0; i < 5; i++) {
    statuses.push((await ask('GET', '/mfa/status', jane)).status);
    await ask('GET', '/page', jane);
  }
  expect(statuses).toEqual(Array(5).fill(status));
  const perLookup = seen().length;
  // A call that fails is tried again once by the client.
  expect(perLookup).toBeLessThanOrEqual(status === 503 ? 2 : 1);
  clock.mockReturnValue(now + 1001);
  await ask('GET', '/mfa/status', jane);
  expect(seen().length).toBeGreaterThan(perLookup);
});

it.each([
  ['POST', '/mfa/challenge', { method: 'email' }],
  ['POST', '/mfa/enroll', {}],
])(
  'has at most two of a user’s %s %s under way',
  async (method, path, body) => {
    const held: (() => void)[] = [];
    let both: () => void;
    const bothCame = new Promise<void>((resolve) => (both = resolve));
    const { ask, seen } = await start((...args) => {
      const [, { method: asked }] = args;
      if (asked === 'GET') return refusal(404, 'user_not_found')(...args);
      held.push(() => data(wireUser())(...args));
      if (held.length === 2) both();
    });
    const two = [ask(method, path, jane, body), ask(method, path, jane, body)];
    await bothCame;
    const third = await ask(method, path, jane, body);
    expect([third.status, third.body]).toEqual([
      429,
      expect.objectContaining({
        code: 'mfa_too_many_attempts',
        retryAfterSeconds: 1,
      }),
    ]);
    expect(seen().filter((it) => !it.startsWith('GET'))).toHaveLength(2);
    for (const release of held) release();
    await Promise.all(two);
  },
);

it('remembers how long a user has to wait for the next code', async () => {
  const { ask, seen } = await start(
    refusal(402, 'too_many_attempts', { 'retry-after': '60' }),
  );
  for (let i = 0; i < 3; i++) {
    const { status } = await ask('POST', '/mfa/challenge', jane, {
      method: 'email',
    });
    expect(status).toBe(429);
  }
  expect(seen()).toHaveLength(1);
});

it('does not let anyone in by safe mode while a flood of questions empties the limit', async () => {
  const server = await GAuthifyTestServer.start();
  closing.push(() => server.close());
  const target = new URL(server.accessPoint);
  // As nginx: limit_req rate=20r/s burst=10 nodelay, which answers 503.
  let level = 0;
  let last = performance.now();
  const { ask } = await start(
    (response, { method, url, headers, body }) => {
      const now = performance.now();
      level = Math.max(0, level - (now - last) * 0.02);
      last = now;
      if (level + 1 > 11)
        return text(503, '<h1>503</h1>')(response, undefined!, undefined!);
      level += 1;
      const { hostname: host, port } = target;
      httpRequest({ host, port, path: url, method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      }).end(body);
    },
    { safeMode: true },
  );
  const warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
  jest.spyOn(Logger.prototype, 'error').mockReturnValue();
  const user = await createUser(server, { email: 'jane@example.com' });
  const as = { 'x-user': user.unique_id };
  for (let i = 0; i < 20; i++)
    await Promise.all([1, 2, 3, 4].map(() => ask('GET', '/mfa/status', as)));
  let isOver = false;
  const flood = Array.from({ length: 4 }, async () => {
    while (!isOver) await ask('GET', '/mfa/status', as);
  });
  const statuses = new Set<number>();
  for (let i = 0; i < 40; i++)
    statuses.add(
      (await ask('GET', '/page', { ...as, 'x-mfa-code': '000000' })).status,
    );
  isOver = true;
  await Promise.all(flood);
  expect(statuses).not.toContain(200);
  // It may say that the access point is down; on a slow machine it is for long.
  expect(JSON.stringify(warned.mock.calls)).not.toContain('safeMode');
});
