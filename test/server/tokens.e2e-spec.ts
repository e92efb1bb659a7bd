/** Tokens and messages in the moment in which their user is reset, changed or deleted. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { CheckService } from '../../lib/server/factors/check.service.js';
import { Tokens } from '../../lib/server/factors/tokens.js';
import { DATABASE, type Database } from '../../lib/server/store/schema.js';
import { DeliveryService } from '../../lib/server/delivery/delivery.service.js';
import { UsersService } from '../../lib/server/users/users.service.js';
import { call, createUser } from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

/** A user whose code was accepted just now, and the epoch of that moment. */
async function accepted() {
  const user = await createUser(server, { email: 'old@example.com' });
  const row = await server.app.get(UsersService).get('test', user.unique_id);
  const { epoch } = (await server.app
    .get(CheckService)
    .check(row.id, user.otp as string))!;
  return { row, epoch };
}
const update = (unique_id: string, params: Record<string, string>) =>
  call(server, 'PUT', `users/${unique_id}/`, params);

describe.each<[string, (unique_id: string) => Promise<unknown>]>([
  ['reset', (id) => update(id, { reset_key: 'true' })],
  ['given another address', (id) => update(id, { email: 'new@example.com' })],
  ['deleted', (id) => call(server, 'DELETE', `users/${id}/`)],
])('a user who is %s after their code was accepted', (_, change) => {
  it('gets no token', async () => {
    const { row, epoch } = await accepted();
    await change(row.unique_id);
    const tokens = server.app.get(Tokens);
    expect(await tokens.issue(row.id, epoch)).toBeUndefined();
  });

  it('cannot redeem one that was issued in between', async () => {
    const { row, epoch } = await accepted();
    const tokens = server.app.get(Tokens);
    const token = await tokens.issue(row.id, epoch);
    expect(token).toMatch(/^gat[A-Z2-7]{32}$/);
    await change(row.unique_id);
    expect(await tokens.redeem('test', token!)).toBeUndefined();
  });
});

it('forgets the expired tokens of all users', async () => {
  const tokens = server.app.get(Tokens);
  for (let i = 0; i < 3; i++) {
    const { row, epoch } = await accepted();
    await tokens.issue(row.id, epoch);
  }
  server.advance(301);
  const { row, epoch } = await accepted();
  await tokens.issue(row.id, epoch);
  const rows = await server.app
    .get<Database>(DATABASE)
    .selectFrom('tokens')
    .select('user_id')
    .execute();
  expect(rows).toEqual([{ user_id: row.id }]);
});

it('a message for a user who is deleted meanwhile is a 404, and not sent', async () => {
  const { unique_id } = await createUser(server, { email: 'gone@example.com' });
  const row = await server.app.get(UsersService).get('test', unique_id);
  await call(server, 'DELETE', `users/${unique_id}/`);
  await expect(
    server.app.get(DeliveryService).send(row, 'email', undefined),
  ).rejects.toMatchObject({ errorCode: 'user_not_found' });
  expect(server.outbox.filter(({ to }) => to === 'gone@example.com')).toEqual(
    [],
  );
});
