/** A mail server that answers a byte at a time holds few sockets, and none for long. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { SmtpSender } from '../../lib/server/delivery/smtp-sender.js';
import { MailServer } from '../helpers/mail-server.js';

const MESSAGE = {
  channel: 'email',
  to: 'jane@example.com',
  subject: 'x',
  text: 'x',
  realm: 'test',
  uniqueId: 'jane',
  code: '123456',
  locale: 'en',
} as const;

const GREETING = '220 slow.example.com ready\r\n';

let url: string;
let open: Set<Socket>;
let opened: number;
let most: number;
/** What is sent at once; the rest drips. */
let atOnce: string;
/** Port of a mail server that answers instead. */
let forwardTo: number | undefined;
let close: () => Promise<void>;

beforeEach(async () => {
  open = new Set();
  opened = most = 0;
  atOnce = '';
  forwardTo = undefined;
  const server = createServer((socket) => {
    open.add(socket);
    opened += 1;
    most = Math.max(most, open.size);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    if (forwardTo !== undefined) {
      const forwarded = connect(forwardTo, '127.0.0.1');
      forwarded.on('error', () => socket.destroy());
      socket.pipe(forwarded).pipe(socket);
      return;
    }
    socket.write(atOnce);
    const drip = setInterval(() => socket.write('2'), 20);
    socket.on('data', () => undefined);
    socket.on('close', () => clearInterval(drip));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
});
afterEach(async () => {
  await close();
});

const allClosed = async () => {
  for (const socket of open)
    await new Promise((resolve) => socket.once('close', resolve));
};

it('has no more sockets open than the bound, and none after the deadline', async () => {
  const sender = new SmtpSender({ url, from: 'a@example.com' }, 200, 3);
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, () =>
      sender.send(MESSAGE, AbortSignal.timeout(400)),
    ),
  );
  // The mail server goes on writing: only the sender closes a connection.
  await allClosed();
  expect(most).toBe(3);
  // The others had given up waiting when the first three ended.
  expect(opened).toBe(3);
  const names = results.map((result) =>
    result.status === 'rejected'
      ? `${result.reason.name} ${result.reason.code}`
      : 'sent',
  );
  // None got as far as the message: all are certainly unsent.
  expect(names.sort()).toEqual([
    ...Array<string>(9).fill('Error EMAXCONNECTIONS'),
    ...Array<string>(3).fill('Error ETIMEDOUT'),
  ]);
});

it('is dropped in the middle of a conversation too', async () => {
  atOnce = GREETING;
  const sender = new SmtpSender({ url, from: 'a@example.com' }, 150, 3);
  await expect(
    sender.send(MESSAGE, AbortSignal.timeout(300)),
  ).rejects.toMatchObject({ name: 'Error', code: 'ETIMEDOUT' });
  await allClosed();
  expect(opened).toBe(1);
});

it('leaves the places to the messages after it', async () => {
  const mail = await MailServer.start();
  const sender = new SmtpSender({ url, from: 'a@example.com' }, 2000, 2);
  const send = () => sender.send(MESSAGE, AbortSignal.timeout(2000));
  try {
    await Promise.allSettled([send(), send()]);
    forwardTo = Number(new URL(mail.url).port);
    for (let i = 0; i < 6; i++) await send();
    await Promise.all(Array.from({ length: 6 }, send));
    expect(mail.mails).toHaveLength(12);
    // Two that dripped, and two for all the others.
    expect(opened).toBeLessThanOrEqual(4);
  } finally {
    sender.close();
    await mail.close();
  }
});

it('frees the place of a connection that is refused', async () => {
  const mail = await MailServer.start();
  await mail.close();
  const options = { url: mail.url, from: 'a@example.com' };
  const sender = new SmtpSender(options, 2000, 1);
  for (let i = 0; i < 3; i++)
    await expect(
      sender.send(MESSAGE, AbortSignal.timeout(2000)),
    ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
