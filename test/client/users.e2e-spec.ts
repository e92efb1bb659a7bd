import 'reflect-metadata';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { GAuthifyModule, GAuthifyService } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  count,
  firstValueFrom as first,
  lastValueFrom,
  map,
  Subject,
  take,
  toArray,
} from 'rxjs';
import { data, wireUser } from '../helpers/access-point.js';
import { accessPoint, afterThisTest, clientOf } from '../helpers/client.js';

async function realm(size: number) {
  const server = await GAuthifyTestServer.start();
  afterThisTest(() => server.close());
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot({
        apiKey: server.apiKey,
        accessPoints: [server.accessPoint],
      }),
    ],
  }).compile();
  await module.init();
  afterThisTest(() => module.close());
  const gauthify = module.get(GAuthifyService);
  for (let i = 0; i < size; i++)
    await first(
      gauthify.createUser({ uniqueId: `user-${i}`, displayName: 'x' }),
    );
  return gauthify;
}

it.each([1, 3, 7, 8])('emits all users by pages of %i, once', async (size) => {
  const gauthify = await realm(7);
  const ids = await lastValueFrom(
    gauthify.users({ pageSize: size }).pipe(
      map(({ uniqueId }) => uniqueId),
      toArray(),
    ),
  );
  expect(ids).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `user-${i}`));
});

it('loses nobody, and emits nobody twice, where users come and go meanwhile', async () => {
  const gauthify = await realm(6);
  const seen: string[] = [];
  await lastValueFrom(
    gauthify.users({ pageSize: 2 }, async ({ uniqueId }) => {
      seen.push(uniqueId);
      if (uniqueId !== 'user-1') return;
      await first(gauthify.deleteUser('user-0'));
      await first(gauthify.deleteUser('user-4'));
      await first(gauthify.createUser({ uniqueId: 'a', displayName: 'x' }));
    }),
  );
  expect(seen).toEqual(['user-0', 'user-1', 'user-2', 'user-3', 'user-5']);
});

/** Pages without end, each as large as asked for. */
const endless = () =>
  clientOf((response, request, socket) => {
    const { searchParams } = new URL(request.url, 'http://x');
    const size = Number(searchParams.get('page_size'));
    const from = (Number(searchParams.get('page')) - 1) * size;
    const users = Array.from({ length: size }, (_, i) =>
      wireUser({ unique_id: String(from + i) }),
    );
    data(users)(response, request, socket);
  });

it('asks for a page when the one before is through', async () => {
  const { gauthify, server } = await endless();
  const gate = new Subject<void>();
  const arrived: string[] = [];
  const subscription = gauthify
    .users({ pageSize: 3 }, ({ uniqueId }) => {
      arrived.push(uniqueId);
      return gate.pipe(take(1));
    })
    .subscribe();
  while (arrived.length < 1) await first(gauthify.apiErrors()).catch(() => 0);
  const pages = () =>
    server.seen.filter(({ url }) => url.includes('page=')).length;
  for (let i = 0; i < 2; i++) gate.next();
  // Other calls go through and back: a page asked for too early would be there.
  for (let i = 0; i < 3; i++) await first(gauthify.apiErrors()).catch(() => 0);
  expect([arrived, pages()]).toEqual([['0', '1', '2'], 1]);
  gate.next();
  while (arrived.length < 4) await first(gauthify.apiErrors()).catch(() => 0);
  expect(pages()).toBe(2);
  subscription.unsubscribe();
});

it('holds the users of a page or two, however many there are', async () => {
  const { gauthify } = await endless();
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const seen: WeakRef<object>[] = [];
  await lastValueFrom(
    gauthify
      .users({ pageSize: 100 }, async (user) => {
        seen.push(new WeakRef(user));
      })
      .pipe(take(3000)),
  );
  // What a WeakRef was made for is kept until the end of the turn.
  await nextTurn();
  collectGarbage();
  const held = seen.filter((user) => user.deref() !== undefined);
  expect(seen).toHaveLength(3000);
  expect(held.length).toBeLessThanOrEqual(200);
});

it('asks for no further page once it is unsubscribed', async () => {
  const { gauthify, server } = await endless();
  await lastValueFrom(gauthify.users({ pageSize: 3 }).pipe(take(4)));
  await first(gauthify.apiErrors()).catch(() => 0);
  expect(server.seen.filter(({ url }) => url.includes('page='))).toHaveLength(
    2,
  );
});

it.each([2, 5])(
  'ends at a server that gives all users at once, %i of them',
  async (size) => {
    const all = Array.from({ length: size }, (_, i) =>
      wireUser({ unique_id: `user-${i}` }),
    );
    const server = await accessPoint(data(all));
    const { gauthify } = await clientOf((...args) => data(all)(...args));
    expect(
      await lastValueFrom(gauthify.users({ pageSize: 2 }).pipe(count())),
    ).toBe(size);
    await server.close().catch(() => undefined);
  },
);

it('loses nobody at a server that gives fewer than were asked for', async () => {
  const { gauthify } = await clientOf((response, request, socket) => {
    const { searchParams } = new URL(request.url, 'http://x');
    const after = Number(searchParams.get('after') || 0);
    const users = [1, 2, 3, 4, 5]
      .filter((id) => id > after)
      .slice(0, 2)
      .map((id) => wireUser({ unique_id: String(id) }));
    data(users)(response, request, socket);
  });
  expect(
    await lastValueFrom(gauthify.users({ pageSize: 3 }).pipe(count())),
  ).toBe(5);
});

it('refuses a page size that is none', async () => {
  const { gauthify, server } = await endless();
  await expect(
    lastValueFrom(gauthify.users({ pageSize: 1001 })),
  ).rejects.toMatchObject({ name: 'ParameterError' });
  expect(server.seen).toEqual([]);
});

it.each([
  ['a server without pages gives', 100, 5000],
  ['a page of 1000 holds', 1000, 1000],
])(
  'reads at most 200 users in a turn of the event loop, where %s more',
  async (_, pageSize, total) => {
    const all = Array.from({ length: total }, (_, i) =>
      wireUser({ unique_id: `user-${i}` }),
    );
    const { gauthify } = await clientOf((response, request, socket) => {
      const isFirst = request.url.endsWith('after=');
      data(isFirst ? all : [])(response, request, socket);
    });
    let turns = 0;
    let isReading = true;
    const turn = () => {
      turns++;
      if (isReading) setImmediate(turn);
    };
    const seenAt = new Map<number, number>();
    await lastValueFrom(
      gauthify.users({ pageSize }).pipe(
        map((_, i) => {
          if (i === 0) turn();
          seenAt.set(turns, (seenAt.get(turns) ?? 0) + 1);
        }),
      ),
    );
    isReading = false;
    expect([...seenAt.values()].reduce((a, b) => a + b)).toBe(total);
    expect(Math.max(...seenAt.values())).toBeLessThanOrEqual(200);
  },
);

it('getAllUsers() asks page by page, and ends where a server has no pages', async () => {
  const { gauthify, server } = await clientOf((response, request, socket) => {
    const { searchParams } = new URL(request.url, 'http://x');
    const page = Number(searchParams.get('page'));
    const users = [[1, 2], [3], []][page - 1]!;
    data(users.map((id) => wireUser({ unique_id: String(id) })))(
      response,
      request,
      socket,
    );
  });
  const all = await first(gauthify.getAllUsers());
  expect(all.map(({ uniqueId }) => uniqueId)).toEqual(['1', '2', '3']);
  expect(server.seen.map(({ url }) => url)).toEqual([
    '/v1/users/?page=1&page_size=1000&after=',
    '/v1/users/?page=2&page_size=1000&after=2',
    '/v1/users/?page=3&page_size=1000&after=3',
  ]);
});
