import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import type { GAuthifyService } from 'nestjs-gauthify';
import { firstValueFrom as first } from 'rxjs';
import {
  closed,
  data,
  dribble,
  hang,
  hangUp,
  wireUser,
} from '../helpers/access-point.js';
import { accessPoint, client, clientOf } from '../helpers/client.js';

/** Through and back: time enough for a request that should not be. */
const settle = (gauthify: GAuthifyService) => first(gauthify.getUser('jane'));

it('sends nothing where it is unsubscribed at once', async () => {
  const { gauthify, server } = await clientOf(data(wireUser()));
  gauthify.sendEmail('jane').subscribe().unsubscribe();
  await settle(gauthify);
  await settle(gauthify);
  expect(server.seen.map(({ method }) => method)).toEqual(['GET', 'GET']);
});

it.each([
  ['before an answer', hang],
  ['in the middle of a body', dribble],
])('drops the connection %s', async (_, respond) => {
  const a = await accessPoint(respond);
  const b = await accessPoint(data(wireUser()));
  const gauthify = await client([a, b]);
  const arrived = a.nextSocket();
  const subscription = gauthify.getUser('jane').subscribe();
  const socket = await arrived;
  subscription.unsubscribe();
  await closed(socket);
  expect(b.seen).toEqual([]);
});

it('drops the connection of the second attempt', async () => {
  const a = await accessPoint(hangUp);
  const b = await accessPoint(hang);
  const c = await accessPoint(data(wireUser()));
  const gauthify = await client([a, b, c]);
  const arrived = b.nextSocket();
  const subscription = gauthify.getUser('jane').subscribe();
  const socket = await arrived;
  subscription.unsubscribe();
  await closed(socket);
  expect(c.seen).toEqual([]);
});

it('sends nothing where it is unsubscribed while it waits for a connection', async () => {
  let isHanging = true;
  const { gauthify, server } = await clientOf(
    (...args) => (isHanging ? hang(...args) : data(wireUser())(...args)),
    { maxSockets: 1 },
  );
  const arrived = server.nextSocket();
  const running = gauthify.getUser('jane').subscribe();
  await arrived;
  isHanging = false;
  const waiting = gauthify.sendEmail('jane').subscribe();
  waiting.unsubscribe();
  running.unsubscribe();
  await settle(gauthify);
  expect(server.seen.map(({ method }) => method)).toEqual(['GET', 'GET']);
});

it('emits nothing after it is unsubscribed, and leaves others alone', async () => {
  const { gauthify, server } = await clientOf(data(wireUser()));
  const emitted: unknown[] = [];
  const arrived = server.nextSocket();
  const subscription = gauthify.getUser('jane').subscribe({
    next: (it) => emitted.push(it),
    error: (it) => emitted.push(it),
  });
  const other = first(gauthify.getUser('jane'));
  await arrived;
  subscription.unsubscribe();
  await expect(other).resolves.toMatchObject({ uniqueId: 'jane' });
  await settle(gauthify);
  expect(emitted).toEqual([]);
});
