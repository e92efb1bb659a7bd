/** Calls of clients of version 1.2, behind the option `legacyRoutes`. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  adapter,
  ADAPTERS,
  call,
  createUser,
  ezToken,
  wrongCode,
} from '../helpers/api.js';

describe.each(ADAPTERS)('version 1.2 on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      legacyRoutes: true,
    });
  });
  afterAll(() => server.close());

  const get = (path: string) => call(server, 'GET', path);

  it('checks a code once, with or without the slash at the end', async () => {
    const user = await createUser(server);
    const code = server.totp(user.key);
    const path = `users/${user.unique_id}/check/${code}`;
    const first = await get(`${path}/`);
    expect([first.status, first.body.data.authenticated]).toEqual([200, true]);
    expect((await get(path)).body.data.authenticated).toBe(false);
    const wrong = wrongCode(server, user.key);
    const { body } = await get(`users/${user.unique_id}/check/${wrong}/`);
    expect(body.data.authenticated).toBe(false);
  });

  it('does not use up a code by HEAD', async () => {
    const user = await createUser(server);
    const path = `users/${user.unique_id}/check/${server.totp(user.key)}/`;
    expect((await call(server, 'HEAD', path)).status).toBe(404);
    expect((await get(path)).body.data.authenticated).toBe(true);
  });

  it('limits guesses as check/ does', async () => {
    const user = await createUser(server);
    const wrong = wrongCode(server, user.key);
    const statuses = [];
    for (let i = 0; i < 6; i++)
      statuses.push(
        (await get(`users/${user.unique_id}/check/${wrong}/`)).status,
      );
    expect(statuses).toEqual([200, 200, 200, 200, 200, 402]);
  });

  it('finds ids that are not encoded, with slashes and signs', async () => {
    const unique_id = `${name}/j+ne@example.com`;
    const user = await createUser(server, { unique_id });
    for (const id of [unique_id, encodeURIComponent(unique_id)]) {
      server.advance(30);
      const { body } = await get(`users/${id}/check/${server.totp(user.key)}/`);
      expect(body.data).toMatchObject({ unique_id, authenticated: true });
    }
  });

  it('sends to the number on file, or to a given one, and not twice', async () => {
    const user = await createUser(server, { phone_number: '9162627232' });
    expect(user.sms_number).toBe('+19162627232');
    const path = `users/${user.unique_id}/sms/`;
    expect((await get(path)).status).toBe(200);
    expect(server.outbox[0]).toMatchObject({ to: '+19162627232' });
    const again = await get(path);
    expect([again.status, again.body.error_code]).toEqual([
      402,
      'too_many_sends',
    ]);
    const other = await createUser(server);
    await get(`users/${other.unique_id}/email/jane@example.com/`);
    expect(server.outbox[0]).toMatchObject({ to: 'jane@example.com' });
    server.advance(60);
    await get(`users/${other.unique_id}/voice/9162627233/`);
    expect(server.outbox[0]).toMatchObject({
      channel: 'voice',
      to: '+19162627233',
    });
  });

  it('updates a user by POST', async () => {
    const user = await createUser(server);
    const path = `users/${user.unique_id}/`;
    const { status, body } = await call(server, 'POST', path, {
      phone_number: '9162627234',
      display_name: '',
    });
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      sms_number: '+19162627234',
      display_name: user.display_name,
    });
    // New calls are what they were.
    expect((await call(server, 'POST', `${path}unlock/`)).status).toBe(200);
  });

  it('trades a token once', async () => {
    const user = await createUser(server);
    const token = await ezToken(user, server.totp(user.key));
    const { body } = await get(`token/${token}/`);
    expect(body.data.unique_id).toBe(user.unique_id);
    expect((await get(`token/${token}/`)).body.error_code).toBe(
      'token_not_found',
    );
  });

  it('needs the key, in the query too', async () => {
    const user = await createUser(server);
    const path = `users/${user.unique_id}/check/${server.totp(user.key)}/`;
    const without = await fetch(server.accessPoint + path);
    expect(without.status).toBe(401);
    const url = `${server.accessPoint}${path}?api_key=${server.apiKey}`;
    const body = (await (await fetch(url)).json()) as any;
    expect(body.data.authenticated).toBe(true);
  });

  it('is not there where it is not asked for', async () => {
    const other = await GAuthifyTestServer.start();
    const user = await createUser(other, { phone_number: '9162627232' });
    expect(user.sms_number).toBeNull();
    const code = other.totp(user.key);
    for (const path of [
      `users/${user.unique_id}/check/${code}/`,
      `users/${user.unique_id}/sms/`,
      `token/gat${'A'.repeat(32)}/`,
    ])
      expect((await call(other, 'GET', path)).status).toBe(404);
    await other.close();
  });
});
