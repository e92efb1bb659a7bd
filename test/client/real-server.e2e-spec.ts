import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { GAuthifyService } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { client } from '../helpers/client.js';

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('the client and the real server on %s', (_, adapter) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: adapter() });
  });
  afterAll(() => server.close());

  const connect = (): Promise<GAuthifyService> =>
    client([server.accessPoint], { apiKey: server.apiKey });

  it('pass every step of quickTest', async () => {
    const gauthify = await connect();
    const steps = await lastValueFrom(
      gauthify
        .quickTest({
          email: 'jane@example.com',
          smsNumber: '+19162627232',
          voiceNumber: '+442083661177',
        })
        .pipe(toArray()),
    );
    expect(steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(steps).toHaveLength(13);
    await expect(firstValueFrom(gauthify.getAllUsers())).resolves.toEqual([]);
  });

  it.each(['a/../b', '%2F', 'a?b#c', 'žofie 😀', 'jane@example.com', 'a+b c'])(
    'agree on a user with the id %s',
    async (uniqueId) => {
      const gauthify = await connect();
      const user = await firstValueFrom(
        gauthify.createUser({
          uniqueId,
          displayName: uniqueId,
          email: 'jane@example.com',
          meta: { 'a&b': ['=', { c: null }] },
        }),
      );
      expect(user).toMatchObject({
        uniqueId,
        meta: { 'a&b': ['=', { c: null }] },
      });
      await expect(
        firstValueFrom(
          gauthify.updateUser(uniqueId, { email: null, meta: null }),
        ),
      ).resolves.toMatchObject({ uniqueId, email: null, meta: null });
      await expect(
        firstValueFrom(gauthify.updateUser(uniqueId, {})),
      ).resolves.toMatchObject({ key: user.key });
      await expect(
        firstValueFrom(gauthify.checkAuth(uniqueId, server.totp(user.key))),
      ).resolves.toBe(true);
      await expect(firstValueFrom(gauthify.deleteUser(uniqueId))).resolves.toBe(
        true,
      );
      await expect(
        firstValueFrom(gauthify.getUser(uniqueId)),
      ).rejects.toMatchObject({ name: 'NotFoundError' });
    },
  );
});
