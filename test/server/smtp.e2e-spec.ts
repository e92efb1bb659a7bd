/** E-mail over real SMTP: TLS or nothing, connections that are used again, and DKIM. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash, createVerify, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { SmtpSender } from '../../lib/server/delivery/smtp-sender.js';
import {
  checkSmtp,
  parseSmtpUrl,
  type SmtpOptions,
} from '../../lib/server/settings/smtp-options.js';
import { MailServer } from '../helpers/mail-server.js';
import { hasCommand } from '../helpers/shell.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const MESSAGE = {
  channel: 'email',
  to: 'jane@example.com',
  subject: 'Your code',
  text: '123456 is your code.\n.\nIt works once.',
  realm: 'test',
  uniqueId: 'jane',
  code: '123456',
  locale: 'en',
} as const;

async function startMail(...args: Parameters<typeof MailServer.start>) {
  const mail = await MailServer.start(...args);
  cleanups.push(() => mail.close());
  return mail;
}

function senderTo(url: string, options: Partial<SmtpOptions> = {}, max = 10) {
  const sender = new SmtpSender(
    { url, from: 'bank@example.com', ...options },
    2000,
    max,
  );
  cleanups.push(() => sender.close());
  return sender;
}

const send = (sender: SmtpSender, message: Partial<typeof MESSAGE> = {}) =>
  sender.send({ ...MESSAGE, ...message }, AbortSignal.timeout(4000));

/** Speaks SMTP without STARTTLS, as a mail server does whose offer was stripped on the way. */
async function startWithoutTls() {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write('220 mail.example.com ESMTP\r\n');
    socket.on('data', (data) => {
      heard.push(String(data));
      if (/^EHLO/i.test(String(data)))
        socket.write('250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n');
      else if (/^STARTTLS/i.test(String(data))) socket.write('502 no\r\n');
      else socket.write('250 ok\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, heard };
}

describe('TLS', () => {
  it.each([
    ['smtp://mail.example.com', true],
    ['smtp://mail.example.com?starttls=never', false],
    ['smtp://10.0.0.1:25', true],
    ['smtp://127.0.0.1:25', false],
    ['smtp://localhost', false],
    ['smtp://[::1]:25', false],
    ['smtp://[::ffff:127.0.0.1]:25', false],
    ['smtp://localhost?starttls=required', true],
    ['smtp://localhost.example.com', true],
    ['smtp://127.0.0.1.example.com', true],
    ['smtps://mail.example.com', false],
  ])('%s needs STARTTLS: %s', (url, requireTLS) => {
    expect(parseSmtpUrl(url)).toMatchObject({
      requireTLS,
      secure: url.startsWith('smtps'),
    });
  });

  it.each([
    ['http://x', /must be an smtp/],
    ['smtp://x?starttls=perhaps', /starttls must be required or never/],
    ['smtps://x?starttls=never', /smtps:\/\/ always uses TLS/],
    ['smtp://x?tls=no', /no parameter "tls"/],
    ['smtp://user%:secret@x', /percent-encode/],
  ])('%s is refused, without the password', (url, message) => {
    const check = () => checkSmtp({ url, from: 'a@example.com' });
    expect(check).toThrow(message);
    expect(check).not.toThrow(/secret/);
  });

  it('that is not offered: neither the password nor the code is sent', async () => {
    const { port, heard } = await startWithoutTls();
    const sender = senderTo(
      `smtp://user:secret@127.0.0.1:${port}?starttls=required`,
    );
    await expect(send(sender)).rejects.toMatchObject({
      name: 'Error',
      code: 'ETLS',
    });
    expect(heard.join('')).toMatch(/^EHLO .*\r\nSTARTTLS\r\n$/);
  });

  it.each([
    ['smtp://', '?starttls=required', false],
    ['smtps://', '', true],
  ])(
    'with a certificate that nobody vouches for, by %s: certainly not sent',
    async (protocol, query, secure) => {
      // That its own certificate is publicly known.
      const warned = jest.spyOn(console, 'error').mockImplementation(() => {});
      const mail = await startMail(undefined, undefined, { secure });
      warned.mockRestore();
      const { port } = new URL(mail.url);
      const sender = senderTo(
        `${protocol}user:secret@localhost:${port}${query}`,
      );
      await expect(send(sender)).rejects.toMatchObject({
        name: 'Error',
        code: expect.stringMatching(
          /^(ESOCKET|ETLS|DEPTH_ZERO_SELF_SIGNED_CERT)$/,
        ),
      });
      expect(mail.mails).toEqual([]);
    },
  );
});

describe('connections', () => {
  it('are used again', async () => {
    const mail = await startMail();
    const sender = senderTo(mail.url);
    for (let i = 0; i < 5; i++) await send(sender);
    expect(mail.mails).toHaveLength(5);
    expect(mail.opened).toBe(1);
  });

  it('are at most as many as the bound', async () => {
    const mail = await startMail();
    const sender = senderTo(mail.url, {}, 3);
    await Promise.all(Array.from({ length: 30 }, () => send(sender)));
    expect(mail.mails).toHaveLength(30);
    expect(mail.opened).toBe(3);
  });

  it('that the mail server closed meanwhile are replaced, and each message arrives once', async () => {
    const mail = await startMail();
    const sender = senderTo(mail.url);
    for (const text of ['a', 'b', 'c']) {
      await Promise.all([
        send(sender, { text: `${text}1` as never }),
        send(sender, { text: `${text}2` as never }),
      ]);
      mail.drop();
    }
    const texts = mail.mails.map(({ source }) => source.trim().slice(-2));
    expect(texts.sort()).toEqual(['a1', 'a2', 'b1', 'b2', 'c1', 'c2']);
  });

  it('do not outlive a refusal, which concerns one message alone', async () => {
    let refusal: string | undefined = 'no such mailbox';
    const mail = await startMail(() => refusal);
    const sender = senderTo(mail.url);
    await expect(send(sender)).rejects.toMatchObject({
      name: 'Error',
      responseCode: 550,
    });
    refusal = undefined;
    await send(sender);
    expect(mail.mails).toHaveLength(1);
  });
});

describe('DKIM', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
  });
  const dkim = {
    domain: 'example.com',
    selector: 'codes',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };

  it('signs the message as it arrives', async () => {
    const mail = await startMail();
    await send(senderTo(mail.url, { dkim }));
    const { source } = mail.mails[0]!;
    const [head, body] = [
      source.slice(0, source.indexOf('\r\n\r\n')),
      source.slice(source.indexOf('\r\n\r\n') + 4),
    ];
    const headers = head
      .replace(/\r\n[ \t]+/g, ' ')
      .split('\r\n')
      .map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line
          .slice(line.indexOf(':') + 1)
          .replace(/\s+/g, ' ')
          .trim(),
      ]);
    const header = (name: string) =>
      headers.find(([one]) => one === name)?.[1] ?? '';
    const signature = header('dkim-signature');
    const tag = (name: string) =>
      new RegExp(`(?:^|; ?)${name}=([^;]*)`)
        .exec(signature)![1]!
        .replace(/ /g, '');
    expect([tag('d'), tag('s'), tag('a'), tag('c')]).toEqual([
      'example.com',
      'codes',
      'rsa-sha256',
      'relaxed/relaxed',
    ]);
    // RFC 6376 §3.4.4: relaxed bodies end in one line break.
    const relaxed = body
      .replace(/[ \t]+/g, ' ')
      .replace(/ \r\n/g, '\r\n')
      .replace(/(\r\n)*$/, '\r\n');
    expect(tag('bh')).toBe(
      createHash('sha256').update(relaxed).digest('base64'),
    );
    expect(tag('h').split(':')).toEqual(
      expect.arrayContaining(
        ['from', 'to', 'subject'].map((name) =>
          expect.stringMatching(new RegExp(`^${name}$`, 'i')),
        ),
      ),
    );
    const signed = [
      ...tag('h')
        .split(':')
        .map((name) => `${name.toLowerCase()}:${header(name.toLowerCase())}`),
      `dkim-signature:${signature.replace(/(; ?b=)[^;]*/, '$1').trim()}`,
    ].join('\r\n');
    const verify = createVerify('sha256').update(signed);
    expect(verify.verify(publicKey, tag('b'), 'base64')).toBe(true);
  });

  it.each([
    [{ ...dkim, privateKey: 'x' }, /dkim.privateKey must be an RSA key/],
    [{ ...dkim, domain: 'a b' }, /dkim.domain must be a DNS name/],
    [{ ...dkim, selectr: 'x' }, /did you mean smtp.dkim.selector/],
  ])('is refused at start where it cannot work: %#', (wrong, message) => {
    expect(() =>
      checkSmtp({ url: 'smtp://x', from: 'a@example.com', dkim: wrong }),
    ).toThrow(message);
  });
});

const PROGRAM = resolve('dist/server/cli/main.js');
const withOpenssl = hasCommand('openssl') ? it : it.skip;
if (!hasCommand('openssl'))
  process.stderr.write(
    'Trusted certificates are skipped: openssl is not installed\n',
  );

withOpenssl(
  'the program logs in over TLS where the certificate is trusted and names the host',
  async () => {
    if (!existsSync(PROGRAM)) throw new Error('Run `npm run build` first');
    const folder = mkdtempSync(join(tmpdir(), 'gauthify-smtp-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    const mail = await startMail(undefined, undefined, {
      key: readFileSync(key),
      cert: readFileSync(cert),
      authOptional: false,
      onAuth: ({ username, password }, _session, done) =>
        username === 'user' && password === 'sec ret'
          ? done(null, { user: username })
          : done(new Error('wrong')),
    });
    const { port } = new URL(mail.url);
    const check = async (host: string, password: string, env = {}) => {
      const child = spawn(process.execPath, [PROGRAM, 'check-config'], {
        cwd: folder,
        env: {
          PATH: process.env.PATH,
          MAIL_FROM: 'a@example.com',
          SMTP_URL: `smtp://user:${password}@${host}:${port}?starttls=required`,
          ...env,
        },
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data) => (output += String(data)));
      const [code] = await once(child, 'close');
      return [code, output];
    };
    const trusting = { NODE_EXTRA_CA_CERTS: cert };
    const outcomes = await Promise.all([
      check('localhost', 'sec%20ret', trusting),
      check('localhost', 'sec%20ret'),
      check('127.0.0.1', 'sec%20ret', trusting),
      check('localhost', 'wrong', trusting),
    ]);
    expect(outcomes).toEqual([
      [0, expect.stringContaining('E-mail by SMTP')],
      [1, expect.stringMatching(/SMTP_URL: .*self-signed certificate/)],
      [
        1,
        expect.stringMatching(
          /SMTP_URL: .*IP: 127\.0\.0\.1 is not in the cert's list/,
        ),
      ],
      [1, expect.stringMatching(/SMTP_URL: .*535/)],
    ]);
    expect(JSON.stringify(outcomes)).not.toMatch(/sec.{1,3}ret/);
  },
);
