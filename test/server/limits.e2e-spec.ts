import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { CheckService } from '../../lib/server/factors/check.service.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { IdempotencyStore } from '../../lib/server/store/idempotency-store.js';
import { call, check, createUser, wrongCode, ORIGIN } from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

/** A check with an Idempotency-Key, as the controller makes it. */
const once = (key: string) => ({
  request: {
    id: IdempotencyStore.idOf('test', key),
    realm: 'test',
    content: '',
  },
  answerTo: () => 'the answer',
});

/** Checks a wrong code; the answer. */
const guess = async (user: any) =>
  await call(server, 'POST', 'check/', {
    unique_id: user.unique_id,
    auth_code: wrongCode(server, user.key),
  });

describe('wrong codes', () => {
  it('are looked at five times, of 200 at the same moment', async () => {
    const user = await createUser(server);
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => guess(user)),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    expect(statuses.filter((status) => status === 402)).toHaveLength(195);
  });

  it('wait for an answer a hundred at a time, whatever their keys', async () => {
    const user = await createUser(server);
    const auth_code = wrongCode(server, user.key);
    const checks = server.app.get(CheckService, { strict: false });
    const owner = { realm: 'test', unique_id: user.unique_id };
    const settled = await Promise.allSettled(
      Array.from({ length: 2000 }, () =>
        checks.check({
          owner,
          origin: ORIGIN,
          code: auth_code,
          once: once(randomUUID()),
        }),
      ),
    );
    const messages = settled.map((one) =>
      one.status === 'fulfilled' ? 'decided' : (one.reason as Error).message,
    );
    const count = (text: string) =>
      messages.filter((message) => message.includes(text)).length;
    expect(count('decided')).toBe(5);
    expect(count('Too many wrong codes')).toBe(95);
    expect(count('Too many checks of the user at the same moment')).toBe(1900);
    const { reason } = settled.at(-1) as PromiseRejectedResult;
    expect(reason).toMatchObject({
      errorCode: 'too_many_attempts',
      retryAfterSeconds: 1,
    });
    // None waits any more.
    await expect(
      checks.check({ owner, origin: ORIGIN, code: auth_code }),
    ).rejects.toThrow('Too many wrong codes');
  });

  it('with keys are refused together, in few units of work, and those with an answer get it', async () => {
    const user = await createUser(server);
    const auth_code = wrongCode(server, user.key);
    const checks = server.app.get(CheckService, { strict: false });
    const owner = { realm: 'test', unique_id: user.unique_id };
    const checkOnce = (key: string) =>
      checks.check({ owner, origin: ORIGIN, code: auth_code, once: once(key) });
    const first = randomUUID();
    await checkOnce(first);
    for (let i = 0; i < 4; i++) await guess(user);
    const unit = jest.spyOn(server.app.get<Database>(DATABASE), 'unit');
    const keys = Array.from({ length: 100 }, (_, i) =>
      i === 50 ? first : randomUUID(),
    );
    const settled = await Promise.allSettled(keys.map(checkOnce));
    expect(unit.mock.calls.length).toBeLessThan(5);
    unit.mockRestore();
    settled.forEach((one, i) =>
      expect(one).toMatchObject(
        i === 50
          ? { status: 'fulfilled', value: { stored: 'the answer' } }
          : { status: 'rejected', reason: { errorCode: 'too_many_attempts' } },
      ),
    );
  });

  it('make each further attempt wait twice as long, at most an hour', async () => {
    const user = await createUser(server);
    for (let i = 0; i < 5; i++) expect((await guess(user)).status).toBe(200);
    const waits = [];
    for (let i = 0; i < 12; i++) {
      const refused = await guess(user);
      expect(refused.body.error_code).toBe('too_many_attempts');
      const seconds = Number(refused.headers.get('retry-after'));
      waits.push(seconds);
      server.advance(seconds);
      expect((await guess(user)).status).toBe(200);
    }
    expect(waits).toEqual([
      5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600,
    ]);
  });

  it('make the right code wait too, without using it up', async () => {
    const user = await createUser(server);
    for (let i = 0; i < 5; i++) await guess(user);
    const refused = await check(server, user.unique_id, user.otp);
    expect(refused).toMatchObject({
      http_status: 402,
      error_code: 'too_many_attempts',
    });
    server.advance(5);
    expect(await check(server, user.unique_id, user.otp)).toMatchObject({
      authenticated: true,
    });
  });

  it('are forgotten after a right one', async () => {
    const user = await createUser(server);
    for (let i = 0; i < 4; i++) await guess(user);
    await check(server, user.unique_id, server.totp(user.key));
    for (let i = 0; i < 5; i++) expect((await guess(user)).status).toBe(200);
    expect((await guess(user)).status).toBe(402);
  });

  it('lock the user after a hundred, until the key is reset', async () => {
    const user = await createUser(server);
    for (let i = 0; i < 100; i++) {
      expect((await guess(user)).status).toBe(200);
      server.advance(3600);
    }
    const refused = await guess(user);
    expect(refused).toMatchObject({
      status: 402,
      body: { error_code: 'user_locked' },
    });
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    server.advance(86_400);
    expect(
      await check(server, user.unique_id, server.totp(user.key)),
    ).toMatchObject({
      error_code: 'user_locked',
    });
    const { body } = await call(server, 'PUT', `users/${user.unique_id}/`, {
      reset_key: '1',
    });
    expect(
      await check(server, user.unique_id, server.totp(body.data.key)),
    ).toMatchObject({
      authenticated: true,
    });
  });

  it('of one user do not hinder another', async () => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    for (let i = 0; i < 6; i++) await guess(jane);
    expect((await guess(joe)).status).toBe(200);
  });

  it('are not forgotten when a new code is sent', async () => {
    const user = await createUser(server, { email: 'fresh@example.com' });
    for (let i = 0; i < 5; i++) await guess(user);
    await call(server, 'POST', 'email/', { unique_id: user.unique_id });
    const code = server.lastCode('fresh@example.com');
    expect(await check(server, user.unique_id, code)).toMatchObject({
      http_status: 402,
    });
  });

  it('end a sent code after five', async () => {
    const user = await createUser(server, { email: 'five@example.com' });
    await call(server, 'POST', 'email/', { unique_id: user.unique_id });
    const code = server.lastCode('five@example.com');
    const wrong = code === '999999' ? '999998' : '999999';
    for (let i = 0; i < 5; i++) await check(server, user.unique_id, wrong);
    server.advance(5);
    expect(await check(server, user.unique_id, code)).toMatchObject({
      authenticated: false,
    });
  });
});

describe('messages', () => {
  const send = (
    user: any,
    params: Record<string, string> = {},
    channel = 'email',
  ) =>
    call(server, 'POST', `${channel}/`, {
      unique_id: user.unique_id,
      ...params,
    });

  it('wait 30 seconds after one another, also 20 at the same moment', async () => {
    const user = await createUser(server, { email: 'a@example.com' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => send(user)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const refused = answers.filter(({ status }) => status === 402);
    expect(refused).toHaveLength(19);
    expect(refused[0]!.body.error_code).toBe('too_many_sends');
    expect(refused[0]!.headers.get('retry-after')).toBe('30');
    expect(
      server.outbox.filter(({ to }) => to === 'a@example.com'),
    ).toHaveLength(1);
    server.advance(30);
    expect((await send(user)).status).toBe(200);
  });

  it('are five in ten minutes, wherever the ten minutes start', async () => {
    const user = await createUser(server, { email: 'b@example.com' });
    for (let i = 0; i < 5; i++) {
      expect((await send(user)).status).toBe(200);
      server.advance(100);
    }
    const refused = await send(user);
    expect(refused.status).toBe(402);
    expect(refused.headers.get('retry-after')).toBe('100');
    server.advance(100);
    expect((await send(user)).status).toBe(200);
    server.advance(30);
    expect((await send(user)).status).toBe(402);
  });

  it('are counted by channel', async () => {
    const user = await createUser(server, {
      email: 'c@example.com',
      sms_number: '9162627240',
    });
    expect((await send(user)).status).toBe(200);
    expect((await send(user, {}, 'sms')).status).toBe(200);
  });

  it('are counted by destination, whoever they are for and however it is written', async () => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    expect((await send(jane, { sms_number: '9162627241' }, 'sms')).status).toBe(
      200,
    );
    const again = await send(joe, { sms_number: '+1 916 262-7241' }, 'sms');
    expect(again.status).toBe(402);
    // What was refused did not use Joe's allowance up.
    expect((await send(joe, { sms_number: '9162627242' }, 'sms')).status).toBe(
      200,
    );
  });

  it('need an address', async () => {
    const user = await createUser(server);
    const { status, body } = await send(user);
    expect(status).toBe(406);
    expect(body).toMatchObject({ error_code: 'no_address' });
    expect((await send({ unique_id: 'nobody' })).status).toBe(404);
  });
});
