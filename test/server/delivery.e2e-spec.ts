import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { DeliveryUnknownError } from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { SmtpSender } from '../../lib/server/delivery/smtp-sender.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
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

it('sends the code by e-mail, and puts SMS and voice messages into the outbox', async () => {
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

it('sends to exactly one address, whatever it looks like', async () => {
  const mail = await startMail();
  const server = await start({
    smtp: { url: mail.url, from: 'bank@example.com' },
  });
  const user = await createUser(server);
  // Stored before the server refused such addresses.
  await server.app
    .get<Database>(DATABASE)
    .read.updateTable('users')
    .set({ email: '"a,b"@example.com' })
    .execute();
  // Not every mailer takes a quoted local part; what counts is that it is never split in two.
  const { status } = await send(server, user.unique_id);
  const recipients = mail.mails.flatMap(({ to }) => to);
  expect([status, recipients.length]).toEqual(
    status === 200 ? [200, 1] : [500, 0],
  );
  expect(recipients.join()).not.toMatch(/^b"/);
});

describe('a message that cannot be delivered', () => {
  it('is a 500, does not count against the limit, and leaves no address in the log', async () => {
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
      'A code by email could not be delivered: SMTP: EENVELOPE 550',
    );
    expect(JSON.stringify(logged.mock.calls)).not.toContain('jane');
    refusal = undefined;
    server.advance(30);
    expect((await send(server, unique_id)).status).toBe(200);
  });

  it('still delays the next message', async () => {
    const sent: string[] = [];
    const server = await start({
      senders: {
        email: {
          send: ({ to }) => {
            sent.push(to);
            return Promise.reject(new Error('550'));
          },
        },
      },
    });
    const { unique_id } = await createUser(server, {
      email: 'jane@example.com',
    });
    await send(server, unique_id);
    const { body } = await send(server, unique_id);
    expect(body.error_code).toBe('too_many_sends');
    expect(sent).toHaveLength(1);
    // And counts in no other way.
    for (let i = 0; i < 9; i++) {
      server.advance(30);
      await send(server, unique_id);
    }
    expect(sent).toHaveLength(10);
  });

  it('leaves the code that was sent before valid', async () => {
    const texts: string[] = [];
    const server = await start({
      senders: {
        email: {
          send: async ({ text }) => {
            texts.push(text);
            if (texts.length > 1) throw new Error('550');
          },
        },
      },
    });
    const { unique_id } = await createUser(server, {
      email: 'jane@example.com',
    });
    await send(server, unique_id);
    server.advance(30);
    expect((await send(server, unique_id)).status).toBe(500);
    const [first, second] = texts.map((text) => /\d{6}/.exec(text)![0]);
    expect(await check(server, unique_id, second!)).toMatchObject({
      authenticated: false,
    });
    expect(await check(server, unique_id, first!)).toMatchObject({
      authenticated: true,
      method: 'email',
    });
  });

  it('is a 500 if no mail server answers', async () => {
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

describe('a message that may have been delivered', () => {
  it('is sent once for an idempotency key, and counts as sent', async () => {
    // Takes the mail, and is gone before it says so.
    const mail = await MailServer.start(undefined, (it) =>
      it.connections.forEach((connection) => connection.close()),
    );
    cleanups.push(() => mail.close());
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
    const sendWith = (key: string) =>
      call(
        server,
        'POST',
        'email/',
        { unique_id },
        { headers: { 'idempotency-key': key } },
      );
    for (let i = 0; i < 3; i++)
      expect(await sendWith('key')).toMatchObject({
        status: 500,
        body: {
          error_code: 'delivery_unknown',
          error_message: 'The email may or may not have been delivered',
        },
      });
    expect(mail.mails).toHaveLength(1);
    expect((await sendWith('other')).body.error_code).toBe('too_many_sends');
    // The code in it works.
    const [, code] = /^(\d{6}) is your/m.exec(mail.mails[0]!.source)!;
    expect(await check(server, unique_id, code!)).toMatchObject({
      authenticated: true,
    });
    expect(JSON.stringify(logged.mock.calls)).not.toContain('jane');
  });

  it('is recognized from a custom sender that gives no cause', async () => {
    const logged = jest
      .spyOn(Logger.prototype, 'error')
      .mockImplementation(() => {});
    cleanups.push(async () => logged.mockRestore());
    let sent = 0;
    const server = await start({
      senders: {
        sms: {
          send: async () => {
            sent += 1;
            throw new DeliveryUnknownError('no receipt');
          },
        },
      },
    });
    const { unique_id } = await createUser(server, {
      sms_number: '9162627232',
    });
    for (let i = 0; i < 2; i++) {
      const { body } = await call(
        server,
        'POST',
        'sms/',
        { unique_id },
        { headers: { 'idempotency-key': 'key' } },
      );
      expect(body.error_code).toBe('delivery_unknown');
    }
    expect(sent).toBe(1);
  });

  it('is abandoned at the deadline even if the mail server keeps answering slowly', async () => {
    const mail = await MailServer.start(undefined, () => undefined);
    cleanups.push(() => mail.close());
    const sender = new SmtpSender({ url: mail.url, from: 'bank@example.com' });
    await expect(
      sender.send(
        {
          channel: 'email',
          to: 'jane@example.com',
          subject: 'x',
          text: 'x',
          realm: 'test',
          uniqueId: 'jane',
          code: '123456',
          locale: 'en',
        },
        AbortSignal.timeout(300),
      ),
    ).rejects.toMatchObject({
      name: 'DeliveryUnknownError',
      cause: { code: 'ETIMEDOUT' },
    });
    expect(mail.mails).toHaveLength(1);
  });
});

it('uses a custom sender', async () => {
  const sent: unknown[] = [];
  const server = await start({
    senders: { sms: { send: async (message) => void sent.push(message) } },
  });
  const { unique_id } = await createUser(server, { sms_number: '9162627232' });
  await call(server, 'POST', 'sms/', { unique_id });
  expect(sent).toEqual([
    {
      channel: 'sms',
      code: expect.stringMatching(/^\d{6}$/),
      locale: 'en',
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
    /code is (\d(?:, \d){5})\. .* code is \1\.$/,
  );
});

it('shows the outbox only to the realm’s own key', async () => {
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
