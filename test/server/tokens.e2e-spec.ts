/** Tokens and messages in the moment in which their user is reset, changed or deleted. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { CheckService } from '../../lib/server/factors/check.service.js';
import { Tokens } from '../../lib/server/factors/tokens.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import type { AcceptedCode } from '../../lib/server/factors/check.js';
import type { UserRow } from '../../lib/server/store/schema.js';
import { UsersService } from '../../lib/server/users/users.service.js';
import {
  call,
  check,
  createUser,
  enterOnEzPage,
  ezToken,
  ORIGIN,
} from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

const database = () => server.app.get<Database>(DATABASE);

/** A user whose code was accepted just now. */
async function accepted() {
  const user = await createUser(server, { email: 'old@example.com' });
  const owner = { realm: 'test', unique_id: user.unique_id as string };
  const outcome = await server.app
    .get(CheckService)
    .check({ owner, origin: ORIGIN, code: user.otp as string });
  const row = await server.app
    .get(UsersService)
    .get(database().read, 'test', owner.unique_id);
  return { row, code: (outcome as { accepted: AcceptedCode }).accepted };
}

const issue = (user: UserRow, code: AcceptedCode) =>
  database().unit((unit) => server.app.get(Tokens).issue(unit, user, code));

const update = (unique_id: string, params: Record<string, string>) =>
  call(server, 'PUT', `users/${unique_id}/`, params);

describe.each<[string, (unique_id: string) => Promise<unknown>]>([
  ['reset', (id) => update(id, { reset_key: 'true' })],
  ['given another address', (id) => update(id, { email: 'new@example.com' })],
  ['deleted', (id) => call(server, 'DELETE', `users/${id}/`)],
])('a user who is %s after their code was accepted', (_, change) => {
  it('gets no token', async () => {
    const { row, code } = await accepted();
    await change(row.unique_id);
    expect(await issue(row, code)).toBeUndefined();
  });

  it('cannot redeem one that was issued in between', async () => {
    const { row, code } = await accepted();
    const token = await issue(row, code);
    expect(token).toMatch(/^gat[A-Z2-7]{32}$/);
    await change(row.unique_id);
    const redeemed = await database().unit((unit) =>
      server.app.get(Tokens).redeem(unit, 'test', token!),
    );
    expect(redeemed).toBeUndefined();
  });
});

describe('a token says which kind of code earned it:', () => {
  it.each<[string, (user: any) => string]>([
    ['totp', (user) => server.totp(user.key)],
    ['otp', (user) => user.otp],
    ['email', () => server.lastCode()],
  ])('%s', async (method, codeOf) => {
    const email = `${crypto.randomUUID()}@example.com`;
    const user = await createUser(server, { email });
    const { unique_id } = user;
    await call(server, 'POST', 'email/', { unique_id });
    const token = await ezToken(user, codeOf(user));
    const { body } = await call(server, 'POST', 'token/', { token });
    expect(body.data).toMatchObject({ unique_id, key: user.key, method });
  });

  it('the other calls that answer a user have no method', async () => {
    expect(await createUser(server)).not.toHaveProperty('method');
  });
});

describe('the ezGAuth page of a user with an authenticator app', () => {
  /** An enrolled user, and a code that was just mailed to them. */
  async function enrolled() {
    const email = `${crypto.randomUUID()}@example.com`;
    const user = await createUser(server, { email });
    await check(server, user.unique_id, server.totp(user.key, -1));
    await call(server, 'POST', 'email/', { unique_id: user.unique_id });
    return { user, mailed: server.lastCode(email) };
  }

  it('refuses a mailed code, says what to enter instead, and does not use the code up', async () => {
    const { user, mailed } = await enrolled();
    const page = await (await enterOnEzPage(user, mailed)).text();
    expect(page).not.toMatch(/gat[A-Z2-7]{32}/);
    expect(page).toContain(
      'Codes sent by e-mail, SMS or phone call are not accepted here',
    );
    expect(await check(server, user.unique_id, mailed)).toMatchObject({
      authenticated: true,
      method: 'email',
    });
  });

  it('counts a mailed code as a wrong one: it does not reveal whether it was right', async () => {
    const { user, mailed } = await enrolled();
    for (let i = 0; i < 5; i++) await enterOnEzPage(user, mailed);
    const page = await (await enterOnEzPage(user, mailed)).text();
    expect(page).toContain('Too many wrong codes');
  });

  it('shows no secret of an app that was never set up beside one that is used', async () => {
    const user = await createUser(server);
    const { body } = await call(
      server,
      'POST',
      `users/${user.unique_id}/factors/`,
      { kind: 'totp' },
    );
    const { key } = body.data;
    await check(server, user.unique_id, server.totp(key));
    for (const url of [user.ez_url, user.instructions_url])
      expect(await (await fetch(url)).text()).not.toContain('<img');
    expect((await fetch(user.qr_url)).status).toBe(410);
  });

  it('still accepts the app and the one-time pass', async () => {
    const { user } = await enrolled();
    expect(await ezToken(user, server.totp(user.key))).toMatch(/^gat/);
    expect(await ezToken(user, user.otp)).toMatch(/^gat/);
  });

  it('refuses a mailed code also while a new app is being set up in place of the old one', async () => {
    const { user } = await enrolled();
    const { unique_id, email } = user;
    const { body } = await call(server, 'PUT', `users/${unique_id}/`, {
      reset_key: 'true',
      keep_enrolled: 'true',
    });
    server.advance(31);
    await call(server, 'POST', 'email/', { unique_id });
    const page = await enterOnEzPage(body.data, server.lastCode(email));
    expect(await page.text()).not.toMatch(/gat[A-Z2-7]{32}/);
  });
});

it('forgets the expired tokens of all users', async () => {
  for (let i = 0; i < 3; i++) {
    const { row, code } = await accepted();
    await issue(row, code);
  }
  server.advance(301);
  const { row, code } = await accepted();
  await issue(row, code);
  const rows = await server.app
    .get<Database>(DATABASE)
    .read.selectFrom('tokens')
    .select('user_id')
    .execute();
  expect(rows).toEqual([{ user_id: row.id }]);
});
