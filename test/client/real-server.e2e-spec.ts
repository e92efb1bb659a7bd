import 'reflect-metadata';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiKeyError,
  ConflictError,
  GAuthifyModule,
  GAuthifyService,
  GAuthifyUser,
  NotFoundError,
  ParameterError,
  RateLimitError,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { firstValueFrom as first, lastValueFrom, toArray } from 'rxjs';
import { adapter, ADAPTERS, wrongCode } from '../helpers/api.js';

describe.each(ADAPTERS)('GAuthifyService against the server on %s', (name) => {
  let server: GAuthifyTestServer;
  let module: TestingModule;
  let gauthify: GAuthifyService;

  const connect = (apiKey: string) =>
    Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({ apiKey, accessPoints: [server.accessPoint] }),
      ],
    }).compile();

  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
    module = await connect(server.apiKey);
    gauthify = module.get(GAuthifyService);
  });
  afterAll(async () => {
    await module.close();
    await server.close();
  });

  let made = 0;
  const create = (more: object = {}) =>
    first(
      gauthify.createUser({
        uniqueId: `user ${++made}/ü@example.com`,
        displayName: 'Jane & Joe',
        ...more,
      }),
    );

  it('createUser', async () => {
    const user = await create({
      email: 'jane@example.com',
      smsNumber: '9162627232',
      voiceNumber: '+442083661177',
      meta: { a: { b: [1, null, 'ü&='] } },
    });
    expect(user).toBeInstanceOf(GAuthifyUser);
    expect(user).toMatchObject({
      uniqueId: `user ${made}/ü@example.com`,
      displayName: 'Jane & Joe',
      email: 'jane@example.com',
      smsNumber: '+19162627232',
      voiceNumber: '+442083661177',
      meta: { a: { b: [1, null, 'ü&='] } },
      key: expect.stringMatching(/^[A-Z2-7]{32}$/),
      otp: expect.stringMatching(/^\d{8}$/),
      displayText: 'Jane & Joe',
      groups: [],
    });
    expect(user.raw).toMatchObject({ sms_number: '+19162627232' });
    for (const url of [user.qrUrl, user.ezUrl, user.instructionsUrl])
      expect((await fetch(url)).status).toBe(200);
    await expect(
      first(gauthify.createUser({ uniqueId: user.uniqueId, displayName: 'x' })),
    ).rejects.toBeInstanceOf(ConflictError);
  });

  it('updateUser', async () => {
    const user = await create({ email: 'jane@example.com', meta: { a: 1 } });
    const changed = await first(
      gauthify.updateUser(user.uniqueId, {
        displayName: 'New',
        email: null,
        meta: null,
        resetKey: true,
      }),
    );
    expect(changed).toMatchObject({
      displayName: 'New',
      email: null,
      meta: null,
    });
    expect(changed.key).not.toBe(user.key);
    await expect(
      first(gauthify.updateUser('nobody', {})),
    ).rejects.toBeInstanceOf(NotFoundError);
  });

  it('getUser, getAllUsers and deleteUser', async () => {
    const user = await create();
    expect(await first(gauthify.getUser(user.uniqueId))).toEqual(user);
    expect(await first(gauthify.getAllUsers())).toContainEqual(user);
    expect(await first(gauthify.deleteUser(user.uniqueId))).toBe(true);
    await expect(first(gauthify.getUser(user.uniqueId))).rejects.toBeInstanceOf(
      NotFoundError,
    );
  });

  it('checkAuth', async () => {
    const user = await create();
    const id = user.uniqueId;
    const check = (code: string) => first(gauthify.checkAuth(id, code));
    expect(await check(server.totp(user.key))).toBe(true);
    expect(await check(server.totp(user.key))).toBe(false);
    expect(await check(user.otp)).toBe(true);
    for (let i = 0; i < 5; i++)
      expect(await check(wrongCode(server, user.key))).toBe(false);
    const limited = check(user.otp);
    await expect(limited).rejects.toBeInstanceOf(RateLimitError);
    await expect(limited).rejects.toMatchObject({
      errorCode: 'too_many_attempts',
      retryAfterSeconds: 5,
    });
  });

  it.each([
    ['sendEmail', 'email', 'to@example.com', 'to@example.com'],
    ['sendSms', 'sms', '9162627299', '+19162627299'],
    ['sendVoice', 'voice', '+442083661199', '+442083661199'],
  ] as const)('%s', async (method, channel, address, to) => {
    const user = await create();
    await expect(first(gauthify[method](user.uniqueId))).rejects.toMatchObject({
      errorCode: 'no_address',
    });
    const sent = await first(gauthify[method](user.uniqueId, address));
    expect(sent).toEqual(user);
    expect(server.outbox[0]).toMatchObject({ channel, to });
    const code = server.lastCode(to);
    expect(await first(gauthify.checkAuth(user.uniqueId, code))).toBe(true);
    server.advance(600);
  });

  it('getUserByToken', async () => {
    const user = await create();
    const page = await fetch(user.ezUrl, {
      method: 'POST',
      body: new URLSearchParams({ auth_code: server.totp(user.key) }),
    });
    const [token] = /gat[A-Z2-7]{32}/.exec(await page.text())!;
    const byToken = () => first(gauthify.getUserByToken(token));
    expect(await byToken()).toMatchObject({
      uniqueId: user.uniqueId,
      method: 'totp',
    });
    await expect(byToken()).rejects.toBeInstanceOf(NotFoundError);
  });

  it('apiErrors', async () => {
    expect(await first(gauthify.apiErrors())).toMatchObject({
      user_not_found: expect.any(String),
    });
  });

  it('quickTest', async () => {
    const before = await first(gauthify.getAllUsers());
    const steps = await lastValueFrom(
      gauthify
        .quickTest({
          email: 'quick@example.com',
          smsNumber: '9162627298',
          voiceNumber: '9162627297',
        })
        .pipe(toArray()),
    );
    expect(steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(steps.length).toBeGreaterThan(12);
    expect(await first(gauthify.getAllUsers())).toEqual(before);
  });

  it('tells a wrong API key, and sends nothing for a bad argument', async () => {
    const other = await connect('another key of nobody'.replaceAll(' ', '-'));
    try {
      await expect(
        first(other.get(GAuthifyService).getAllUsers()),
      ).rejects.toBeInstanceOf(ApiKeyError);
    } finally {
      await other.close();
    }
    await expect(
      first(gauthify.createUser({ uniqueId: '', displayName: 'x' })),
    ).rejects.toBeInstanceOf(ParameterError);
  });
});
