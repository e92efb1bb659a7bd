/** A mail server that answers a byte at a time holds few sockets, and none for long. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
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
let close: () => Promise<void>;

beforeEach(async () => {
  open = new Set();
  opened = most = 0;
  atOnce = '';
  const server = createServer((socket) => {
    open.add(socket);
    opened += 1;
    most = Math.max(most, open.size);
    socket.write(atOnce);
    const drip = setInterval(() => socket.write('2'), 20);
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => {
      clearInterval(drip);
      open.delete(socket);
    });
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
  jest.restoreAllMocks();
  await close();
});

const allClosed = async () => {
  for (const socket of open)
    await new Promise((resolve) => socket.once('close', resolve));
};

it('has no more sockets open than the bound, and none after the deadline', async () => {
  const sender = new SmtpSender({ url, from: 'a@example.com' }, 400, 3);
  const deadlines = jest.spyOn(AbortSignal, 'timeout');
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, () => sender.send(MESSAGE)),
  );
  // The mail server goes on writing: only the sender closes a connection.
  await allClosed();
  expect(deadlines.mock.calls).toEqual(Array(12).fill([400]));
  expect(most).toBe(3);
  // The others had given up waiting when the first three ended.
  expect(opened).toBe(3);
  const names = results.map((result) =>
    result.status === 'rejected'
      ? `${result.reason.name} ${result.reason.code ?? result.reason.cause.code}`
      : 'sent',
  );
  // Those in conversation may have been taken; those that waited surely were not.
  expect(names.sort()).toEqual([
    ...Array<string>(3).fill('DeliveryUnknownError ETIMEDOUT'),
    ...Array<string>(9).fill('Error EMAXCONNECTIONS'),
  ]);
});

it('is dropped in the middle of a conversation too', async () => {
  atOnce = GREETING;
  const sender = new SmtpSender({ url, from: 'a@example.com' }, 300, 3);
  await expect(sender.send(MESSAGE)).rejects.toMatchObject({
    name: 'DeliveryUnknownError',
  });
  await allClosed();
  expect(opened).toBe(1);
});

it('leaves the places to the messages after it', async () => {
  const mail = await MailServer.start();
  try {
    const options = { url, from: 'a@example.com' };
    const sender = new SmtpSender(options, 2000, 2);
    await Promise.allSettled([sender.send(MESSAGE), sender.send(MESSAGE)]);
    options.url = mail.url;
    for (let i = 0; i < 6; i++) await sender.send(MESSAGE);
    await Promise.all(Array.from({ length: 6 }, () => sender.send(MESSAGE)));
    expect(mail.mails).toHaveLength(12);
  } finally {
    await mail.close();
  }
});

it('frees the place of a connection that is refused', async () => {
  const mail = await MailServer.start();
  await mail.close();
  const options = { url: mail.url, from: 'a@example.com' };
  const sender = new SmtpSender(options, 2000, 1);
  for (let i = 0; i < 3; i++)
    await expect(sender.send(MESSAGE)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
});
