import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import type { QuickTestOptions } from 'nestjs-gauthify';
import { lastValueFrom, take, toArray } from 'rxjs';
import {
  data,
  deadUrl,
  hang,
  json,
  refusal,
  wireUser,
  type AccessPoint,
  type Respond,
} from '../helpers/access-point.js';
import { client, clientOf } from '../helpers/client.js';

/** A GAuthify of one user, who is there until deleted; `changes` are calls it gets wrong. */
function gauthifyOf(changes: Record<string, Respond> = {}): Respond {
  let user: ReturnType<typeof wireUser> | undefined;
  return (response, request, socket) => {
    const { method, url, body } = request;
    const params = Object.fromEntries(new URLSearchParams(body));
    const call = `${method} ${url
      .replace('/v1/', '')
      .replace(/\?.*/, '')
      .replace(/quick.*/, ':id')}`;
    const answer = (): Respond => {
      if (call === 'GET errors/') return data({});
      if (call === 'POST users/') user = wireUser(params);
      if (user === undefined) return refusal(404);
      if (call === 'GET users/') return data([user]);
      if (call === 'DELETE users/:id') user = undefined;
      if (call === 'POST check/') {
        const authenticated = params['auth_code'] === user?.otp;
        if (authenticated && user) user.otp = '87654321';
        return data({ authenticated });
      }
      if (user && params['reset_key']) user.key = 'NEW';
      return data({ ...user, ...params });
    };
    const changed = changes[call];
    // A change that passes on to what is right sets the answer up first.
    const right = answer();
    (changed ?? right)(response, request, socket);
  };
}

const steps = async (respond: Respond, options?: QuickTestOptions) => {
  const { gauthify, server } = await clientOf(respond);
  const emitted = await lastValueFrom(
    gauthify.quickTest(options).pipe(toArray()),
  );
  return { emitted, server };
};

const calls = ({ seen }: AccessPoint, method: string) =>
  seen.filter((request) => request.method === method);

const NAMES = [
  'create user',
  'get user',
  'list users',
  'update user',
  'refuse a wrong code',
  'accept the one-time pass',
  'refuse the one-time pass a second time',
  'reset key',
  'list errors',
  'delete user',
];

describe('quickTest', () => {
  it('tries every call, on a user of its own, and sends nothing unasked', async () => {
    const { emitted, server } = await steps(gauthifyOf());
    expect(emitted.map(({ name, ok }) => [name, ok])).toEqual(
      NAMES.map((name) => [name, true]),
    );
    for (const step of emitted) {
      expect(step.durationMs).toBeGreaterThanOrEqual(0);
      expect(step).not.toHaveProperty('error');
    }
    expect(calls(server, 'DELETE')).toHaveLength(1);
    expect(server.seen.map(({ url }) => url)).not.toContain('/v1/email/');
  });

  it('uses another user each time', async () => {
    const { gauthify, server } = await clientOf(gauthifyOf());
    const run$ = gauthify.quickTest().pipe(toArray());
    await lastValueFrom(run$);
    await lastValueFrom(run$);
    const [one, two] = server.seen.filter(
      ({ method, url }) => method === 'POST' && url === '/v1/users/',
    );
    expect(one?.body).not.toBe(two?.body);
  });

  it('sends codes where it is given addresses', async () => {
    const { emitted, server } = await steps(gauthifyOf(), {
      email: 'jane@example.com',
      smsNumber: '+19162627232',
      voiceNumber: 'nonsense',
    });
    expect(
      emitted
        .map(({ name, ok, error }) => [name, ok, error?.name])
        .slice(8, 11),
    ).toEqual([
      ['send e-mail', true, undefined],
      ['send SMS', true, undefined],
      ['call by voice', false, 'ParameterError'],
    ]);
    expect(calls(server, 'DELETE')).toHaveLength(1);
  });

  it.each<[string, Record<string, Respond>, string[]]>([
    ['list users', { 'GET users/': refusal(500) }, ['list users']],
    ['list without the user', { 'GET users/': data([]) }, ['list users']],
    [
      'update and reset',
      { 'PUT users/:id': refusal(406) },
      ['update user', 'reset key'],
    ],
    [
      'a server that accepts every code',
      { 'POST check/': data({ authenticated: true }) },
      ['refuse a wrong code', 'refuse the one-time pass a second time'],
    ],
    [
      'a server that accepts none',
      { 'POST check/': data({ authenticated: false }) },
      ['accept the one-time pass'],
    ],
  ])('goes on after a failure: %s', async (_, changes, failing) => {
    const { emitted, server } = await steps(gauthifyOf(changes));
    expect(emitted.map(({ name }) => name)).toEqual(NAMES);
    expect(emitted.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(
      failing,
    );
    for (const { ok, error } of emitted)
      expect(error instanceof Error).toBe(!ok);
    expect(calls(server, 'DELETE')).toHaveLength(1);
  });

  it('without a user tries what needs none, and deletes nothing', async () => {
    const { emitted, server } = await steps(
      gauthifyOf({ 'POST users/': refusal(402, 'plan_limit') }),
    );
    expect(emitted).toMatchObject([
      { name: 'create user', ok: false, error: { errorCode: 'plan_limit' } },
      { name: 'list errors', ok: true },
    ]);
    expect(calls(server, 'DELETE')).toHaveLength(0);
  });

  it('never errors, also where there is no GAuthify', async () => {
    const gauthify = await client([await deadUrl()]);
    await expect(
      lastValueFrom(gauthify.quickTest().pipe(toArray())),
    ).resolves.toMatchObject([{ ok: false }, { ok: false }]);
  });
});

describe('the user of a quickTest is deleted', () => {
  /** Answers like `respond`; `deleted` resolves once a user is. */
  const watched = (respond: Respond) => {
    let resolve: (url: string) => void;
    const deleted = new Promise<string>((resolveIt) => (resolve = resolveIt));
    const watching: Respond = (response, request, socket) => {
      if (request.method === 'DELETE') resolve(request.url);
      respond(response, request, socket);
    };
    return { watching, deleted };
  };

  it('when unsubscribed half-way', async () => {
    const { watching, deleted } = watched(gauthifyOf());
    const { gauthify } = await clientOf(watching);
    await lastValueFrom(gauthify.quickTest().pipe(take(3)));
    await expect(deleted).resolves.toMatch(/quick-test-/);
  });

  it('when its making got no answer', async () => {
    const { watching, deleted } = watched(gauthifyOf({ 'POST users/': hang }));
    const { gauthify } = await clientOf(watching, { timeoutMs: 50 });
    await lastValueFrom(gauthify.quickTest().pipe(toArray()));
    await expect(deleted).resolves.toMatch(/quick-test-/);
  });

  it('when its making got nonsense for an answer', async () => {
    const { watching, deleted } = watched(
      gauthifyOf({ 'POST users/': json(201, { data: null }) }),
    );
    const { gauthify } = await clientOf(watching);
    await lastValueFrom(gauthify.quickTest().pipe(toArray()));
    await expect(deleted).resolves.toMatch(/quick-test-/);
  });
});
