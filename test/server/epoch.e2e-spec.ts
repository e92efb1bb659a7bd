/** The epoch of a user: what moves it, and what ends with it. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser } from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

const update = async (uniqueId: string, params: Record<string, string>) =>
  (await call(server, 'PUT', `users/${uniqueId}/`, params)).body.data;

describe('the epoch changes with', () => {
  it.each([
    { reset_key: 'true' },
    { email: 'new@example.com' },
    { sms_number: '+442083661177' },
    { voice_number: '+442083661177' },
  ])('%j', async (changes) => {
    const user = await createUser(server, { email: 'old@example.com' });
    const updated = await update(user.unique_id, changes as any);
    expect(updated.epoch).toMatch(/^[\w-]{36}$/);
    expect(updated.epoch).not.toBe(user.epoch);
  });

  it('deletion: a new user with the same unique_id has another epoch', async () => {
    const { unique_id, epoch } = await createUser(server);
    await call(server, 'DELETE', `users/${unique_id}/`);
    const { body } = await call(server, 'POST', 'users/', {
      unique_id,
      display_name: 'Jane',
    });
    expect(body.data.epoch).not.toBe(epoch);
  });
});

it('stays the same if anything else changes, or an address is set to itself', async () => {
  const user = await createUser(server, { email: 'jane@example.com' });
  const updated = await update(user.unique_id, {
    display_name: 'Jane D.',
    meta: '{"a":1}',
    email: 'jane@example.com',
  });
  expect(updated.epoch).toBe(user.epoch);
});

it('is answered for a right code of each kind, and for no wrong one', async () => {
  const user = await createUser(server, { email: 'jane@example.com' });
  const { unique_id, epoch } = user;
  await call(server, 'POST', 'email/', { unique_id });
  for (const code of [server.totp(user.key), user.otp, server.lastCode()])
    expect(await check(server, unique_id, code)).toMatchObject({
      authenticated: true,
      epoch,
    });
  expect(await check(server, unique_id, user.otp)).not.toHaveProperty('epoch');
});

it.each([{ reset_key: 'true' }, { email: 'new@example.com' }])(
  'a token issued before %j stops working',
  async (changes) => {
    const user = await createUser(server, { email: 'old@example.com' });
    const token = await ezToken(user);
    await update(user.unique_id, changes as any);
    expect((await call(server, 'POST', 'token/', { token })).status).toBe(404);
  },
);

it('a token issued while the user is being reset does not work', async () => {
  for (let round = 0; round < 20; round++) {
    const user = await createUser(server);
    const reset = () => update(user.unique_id, { reset_key: 'true' });
    const [page] = await Promise.all([enterCode(user), reset()]);
    const token = tokenIn(page);
    if (token)
      expect((await call(server, 'POST', 'token/', { token })).status).toBe(
        404,
      );
  }
});

const enterCode = async (user: any) => {
  const body = new URLSearchParams({ auth_code: server.totp(user.key) });
  return await (await fetch(user.ez_url, { method: 'POST', body })).text();
};
const tokenIn = (page: string) => /gat[A-Z2-7]{32}/.exec(page)?.[0];
const ezToken = async (user: any) => tokenIn(await enterCode(user))!;
