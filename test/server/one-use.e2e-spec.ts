import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser } from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  // Every request gets to look at its code: what lets one in must be the code alone.
  server = await GAuthifyTestServer.start({
    security: {
      freeAttempts: 1000,
      lockAfterAttempts: 1000,
      sentCodeTries: 1000,
    },
  });
});
afterAll(() => server.close());

const times = <T>(count: number, act: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, act));

/** How many of 50 requests at the same moment are let in with the same code. */
async function letIn(uniqueId: string, code: string): Promise<number> {
  const answers = await times(50, () => check(server, uniqueId, code));
  return answers.filter(({ authenticated }) => authenticated === true).length;
}

describe('of 50 simultaneous requests, one succeeds', () => {
  it('with the same TOTP code', async () => {
    const user = await createUser(server);
    expect(await letIn(user.unique_id, server.totp(user.key))).toBe(1);
  });

  it('with the same one-time pass', async () => {
    const user = await createUser(server);
    expect(await letIn(user.unique_id, user.otp)).toBe(1);
  });

  it.each(['email', 'sms', 'voice'])(
    'with the same code by %s',
    async (channel) => {
      const user = await createUser(server, {
        email: 'jane@example.com',
        sms_number: '9162627232',
        voice_number: '9162627233',
      });
      await call(server, 'POST', `${channel}/`, { unique_id: user.unique_id });
      expect(await letIn(user.unique_id, server.lastCode())).toBe(1);
      server.advance(30);
    },
  );

  it('with the same token', async () => {
    const user = await createUser(server);
    const token = await ezToken(user);
    const answers = await times(50, () =>
      call(server, 'POST', 'token/', { token }),
    );
    const redeemed = answers.filter(({ status }) => status === 200);
    expect(redeemed).toHaveLength(1);
    expect(redeemed[0]!.body.data.unique_id).toBe(user.unique_id);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(49);
  });

  it('and likewise when a user is created', async () => {
    const user = { unique_id: 'created-at-once', display_name: 'x' };
    const answers = await times(50, () => call(server, 'POST', 'users/', user));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(49);
  });
});

describe('a TOTP code', () => {
  it('does not work again, nor does an older one', async () => {
    const user = await createUser(server);
    const older = server.totp(user.key, -1);
    const now = server.totp(user.key);
    const next = server.totp(user.key, 1);
    const results = [];
    for (const code of [now, now, older, next])
      results.push((await check(server, user.unique_id, code)).authenticated);
    expect(results).toEqual([true, false, false, true]);
  });

  it('works with spaces and dashes in it, and not with more digits', async () => {
    const user = await createUser(server);
    const code = server.totp(user.key);
    const id = user.unique_id;
    expect(await check(server, id, `${code}0`)).toMatchObject({
      authenticated: false,
    });
    expect(
      await check(server, id, ` ${code.slice(0, 3)}-${code.slice(3)} `),
    ).toMatchObject({
      authenticated: true,
    });
  });

  it('of another user does not work', async () => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    expect(
      await check(server, joe.unique_id, server.totp(jane.key)),
    ).toMatchObject({
      authenticated: false,
    });
  });

  it.each([
    'abcdef',
    '１２３４５６',
    '12345',
    '-1',
    '1e5',
    '0x1234',
    '      ',
    '٣٣٣٣٣٣',
  ])('%p is wrong, not an error', async (code) => {
    const { unique_id } = await createUser(server);
    expect(await check(server, unique_id, code)).toEqual({
      unique_id,
      authenticated: false,
      method: null,
    });
  });
});

describe('a one-time pass', () => {
  it('works once, then is replaced by another', async () => {
    const user = await createUser(server);
    const id = user.unique_id;
    expect(await check(server, id, user.otp)).toMatchObject({
      authenticated: true,
    });
    const { body } = await call(server, 'GET', `users/${id}/`);
    expect(body.data.otp).not.toBe(user.otp);
    expect(await check(server, id, user.otp)).toMatchObject({
      authenticated: false,
    });
    expect(await check(server, id, body.data.otp)).toMatchObject({
      authenticated: true,
    });
  });
});

describe('a sent code', () => {
  const send = async (params: Record<string, string> = {}) => {
    const user = await createUser(server, {
      email: 'jane@example.com',
      sms_number: '9162627232',
    });
    server.advance(600);
    await call(server, 'POST', 'email/', {
      unique_id: user.unique_id,
      ...params,
    });
    return { id: user.unique_id as string, code: server.lastCode() };
  };

  it('expires', async () => {
    const { id, code } = await send();
    server.advance(300);
    expect(await check(server, id, code)).toMatchObject({
      authenticated: false,
    });
  });

  it('is replaced by the next', async () => {
    const { id, code } = await send();
    server.advance(30);
    await call(server, 'POST', 'email/', { unique_id: id });
    const next = server.lastCode();
    expect(await check(server, id, code)).toMatchObject({
      authenticated: code === next,
    });
    expect(await check(server, id, next)).toMatchObject({
      authenticated: true,
    });
  });

  it('goes to the given address, which is not stored', async () => {
    const { id, code } = await send({ email: 'other@example.com' });
    expect(server.outbox[0]).toMatchObject({
      to: 'other@example.com',
      channel: 'email',
    });
    const { body } = await call(server, 'GET', `users/${id}/`);
    expect(body.data.email).toBe('jane@example.com');
    expect(await check(server, id, code)).toMatchObject({
      authenticated: true,
    });
  });

  it('stops working when its address is changed', async () => {
    const { id, code } = await send();
    await call(server, 'PUT', `users/${id}/`, { email: 'new@example.com' });
    expect(await check(server, id, code)).toMatchObject({
      authenticated: false,
    });
  });

  it('stops working when the key is reset', async () => {
    const { id, code } = await send();
    await call(server, 'PUT', `users/${id}/`, { reset_key: '1' });
    expect(await check(server, id, code)).toMatchObject({
      authenticated: false,
    });
  });

  it('of another user does not work', async () => {
    const { code } = await send();
    const other = await createUser(server);
    expect(await check(server, other.unique_id, code)).toMatchObject({
      authenticated: false,
    });
  });
});

describe('a token', () => {
  it('expires', async () => {
    const token = await ezToken(await createUser(server));
    server.advance(300);
    expect((await call(server, 'POST', 'token/', { token })).status).toBe(404);
  });

  it('looks the same whether unknown, used, expired or malformed', async () => {
    const used = await ezToken(await createUser(server));
    await call(server, 'POST', 'token/', { token: used });
    const expired = await ezToken(await createUser(server));
    server.advance(300);
    const answers = [];
    for (const token of [used, expired, `gat${'A'.repeat(32)}`, 'x']) {
      const { status, body } = await call(server, 'POST', 'token/', { token });
      answers.push([status, body.error_code, body.error_message]);
    }
    expect(new Set(answers.map(String)).size).toBe(1);
    expect(answers[0]).toEqual([
      404,
      'token_not_found',
      'The token is unknown, used or expired',
    ]);
  });

  it('is not redeemed, and not used up, by another realm', async () => {
    const two = await GAuthifyTestServer.start({
      apiKeys: [{ realm: 'other', key: 'o'.repeat(32) }],
    });
    try {
      const token = await ezToken(await createUser(two), two);
      const asOther = { headers: { authorization: 'o'.repeat(32) } };
      expect(
        (await call(two, 'POST', 'token/', { token }, asOther)).status,
      ).toBe(404);
      expect((await call(two, 'POST', 'token/', { token })).status).toBe(200);
    } finally {
      await two.close();
    }
  });

  it('stops working when the user’s key is reset', async () => {
    const user = await createUser(server);
    const token = await ezToken(user);
    await call(server, 'PUT', `users/${user.unique_id}/`, { reset_key: '1' });
    expect((await call(server, 'POST', 'token/', { token })).status).toBe(404);
  });
});

/** A token as the user's browser gets it. */
async function ezToken(user: any, on = server): Promise<string> {
  const response = await fetch(user.ez_url, {
    method: 'POST',
    body: new URLSearchParams({ auth_code: on.totp(user.key) }),
  });
  return /gat[A-Z2-7]{32}/.exec(await response.text())![0];
}
