import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser } from '../helpers/api.js';
import { MailServer } from '../helpers/mail-server.js';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: Parameters<typeof GAuthifyTestServer.start>[0]) {
  const server = await GAuthifyTestServer.start(options);
  cleanups.push(() => server.close());
  return server;
}

async function startMail(refuse?: () => string | undefined) {
  const mail = await MailServer.start(refuse);
  cleanups.push(() => mail.close());
  return mail;
}

const send = (server: GAuthifyTestServer, unique_id: string) =>
  call(server, 'POST', 'email/', { unique_id });

it('mails the code, and SMS and voice go to the outbox', async () => {
  const mail = await startMail();
  const server = await start({
    issuer: 'My Bank',
    smtp: { url: mail.url, from: 'bank@example.com' },
  });
  const user = await createUser(server, {
    email: 'jane@example.com',
    sms_number: '9162627232',
  });
  expect((await send(server, user.unique_id)).status).toBe(200);
  expect(mail.mails).toMatchObject([
    { from: 'bank@example.com', to: ['jane@example.com'] },
  ]);
  const { source } = mail.mails[0]!;
  expect(source).toContain('Subject: Your My Bank verification code');
  const code = /^(\d{6}) is your My Bank/m.exec(source)![1]!;
  expect(await check(server, user.unique_id, code)).toMatchObject({
    method: 'email',
  });
  expect(server.outbox).toEqual([]);
  await call(server, 'POST', 'sms/', { unique_id: user.unique_id });
  expect(server.outbox).toMatchObject([{ channel: 'sms', to: '+19162627232' }]);
});

it('sends to one address alone, whatever it looks like', async () => {
  const mail = await startMail();
  const server = await start({
    smtp: { url: mail.url, from: 'bank@example.com' },
  });
  const user = await createUser(server, { email: '"a,b"@example.com' });
  // Not every mailer takes a quoted local part; what counts is that it is never split in two.
  await send(server, user.unique_id ?? 'none');
  expect(
    mail.mails.flatMap(({ to }) => to).filter((to) => to.startsWith('b"')),
  ).toEqual([]);
});

describe('a message that cannot be delivered', () => {
  it('is a 500, gives the allowance back, and leaves no address in the log', async () => {
    let refusal: string | undefined = 'no mailbox jane@example.com here';
    const mail = await startMail(() => refusal);
    const logged = jest
      .spyOn(Logger.prototype, 'error')
      .mockImplementation(() => {});
    cleanups.push(async () => logged.mockRestore());
    const server = await start({
      smtp: { url: mail.url, from: 'bank@example.com' },
    });
    const { unique_id } = await createUser(server, {
      email: 'jane@example.com',
    });
    const { status, body } = await send(server, unique_id);
    expect(status).toBe(500);
    expect(body).toMatchObject({
      error_code: 'delivery_failed',
      error_message: 'The email could not be delivered',
    });
    expect(JSON.stringify(logged.mock.calls)).toContain(
      'A code by email could not be delivered: EENVELOPE 550',
    );
    expect(JSON.stringify(logged.mock.calls)).not.toContain('jane');
    refusal = undefined;
    expect((await send(server, unique_id)).status).toBe(200);
  });

  it('is a 500 also where no mail server answers', async () => {
    const mail = await MailServer.start();
    await mail.close();
    const server = await start({
      smtp: { url: mail.url, from: 'bank@example.com' },
    });
    const { unique_id } = await createUser(server, {
      email: 'jane@example.com',
    });
    expect((await send(server, unique_id)).body.error_code).toBe(
      'delivery_failed',
    );
  });
});

it('takes a sender of your own', async () => {
  const sent: unknown[] = [];
  const server = await start({
    senders: { sms: { send: async (message) => void sent.push(message) } },
  });
  const { unique_id } = await createUser(server, { sms_number: '9162627232' });
  await call(server, 'POST', 'sms/', { unique_id });
  expect(sent).toEqual([
    {
      channel: 'sms',
      to: '+19162627232',
      subject: 'Your GAuthify verification code',
      text: expect.stringMatching(
        /^\d{6} is your GAuthify verification code\. It works once, for 5 minutes\./,
      ),
      realm: 'test',
      uniqueId: unique_id,
    },
  ]);
});

it('speaks a voice code digit by digit, twice', async () => {
  const server = await start({});
  const { unique_id } = await createUser(server, {
    voice_number: '9162627232',
  });
  await call(server, 'POST', 'voice/', { unique_id });
  expect(server.outbox[0]!.text).toMatch(
    /code is (\d(?:, \d){5})\. Again: \1\.$/,
  );
});

it('shows the outbox to the realm’s own key alone', async () => {
  const server = await start({
    apiKeys: [{ realm: 'other', key: 'o'.repeat(32) }],
  });
  const { unique_id } = await createUser(server, { email: 'jane@example.com' });
  await send(server, unique_id);
  const own = await call(server, 'GET', 'outbox/');
  expect(own.body.data).toEqual([
    {
      channel: 'email',
      to: 'jane@example.com',
      subject: 'Your GAuthify verification code',
      text: expect.any(String),
      unique_id,
      sent_at: expect.any(String),
    },
  ]);
  const headers = { authorization: 'o'.repeat(32) };
  expect(
    (await call(server, 'GET', 'outbox/', undefined, { headers })).body.data,
  ).toEqual([]);
  expect(
    (
      await call(server, 'GET', 'outbox/', undefined, {
        headers: { authorization: '' },
      })
    ).status,
  ).toBe(401);
});
