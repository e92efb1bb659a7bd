/** Lines that cannot be imported: each is reported, none of the others is lost, and nothing of a line is shown. */
import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { SeenUsers } from '../../../lib/server/transfer/seen-users.js';
import { call, check } from '../../helpers/api.js';
import {
  type Imported,
  importInto,
  jsonLines,
  newSecret,
} from '../../helpers/transfer.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

const secret = newSecret();
const totp = (more: object = {}) => ({ factors: [{ secret, ...more }] });

it.each<[name: string, user: object, reason: string]>([
  ['no id', totp(), 'unique_id is missing'],
  ['an id of controls', { unique_id: 'a\nb' }, 'control characters'],
  ['an id that is too long', { unique_id: 'x'.repeat(256) }, 'at most 255'],
  ['an id that no URL can carry', { unique_id: '..' }, 'no URL can carry'],
  ['U+0000', { unique_id: 'a\0' }, 'control characters'],
  ['half a character', { unique_id: '\ud800' }, 'well-formed'],
  ['a bad address', { unique_id: 'a', email: 'jane' }, 'e-mail address'],
  [
    'a bad number',
    { unique_id: 'a', sms_number: '12' },
    'sms_number must be a valid phone',
  ],
  ['meta that is a list', { unique_id: 'a', meta: [] }, 'JSON object'],
  ['an object for a name', { unique_id: 'a', display_name: {} }, 'a string'],
  ['no list of factors', { unique_id: 'a', factors: {} }, 'list of objects'],
  ['a number for a factor', { unique_id: 'a', factors: [1] }, 'list'],
  ['no base32', { unique_id: 'a', ...totp({ secret: '018' }) }, 'not base32'],
  ['no secret', { unique_id: 'a', factors: [{}] }, 'not base32'],
  [
    'a secret of 72 bits',
    { unique_id: 'a', ...totp({ secret: newSecret(9) }) },
    'at least 10',
  ],
  [
    'a secret that is too long',
    { unique_id: 'a', ...totp({ secret: newSecret(129) }) },
    'at most 128',
  ],
  ['MD5', { unique_id: 'a', ...totp({ algorithm: 'MD5' }) }, 'algorithm'],
  ['7 digits', { unique_id: 'a', ...totp({ digits: 7 }) }, 'digits'],
  ['10 seconds', { unique_id: 'a', ...totp({ period: 10 }) }, 'period'],
  ['HOTP', { unique_id: 'a', ...totp({ kind: 'hotp' }) }, 'HOTP'],
  ['another kind', { unique_id: 'a', ...totp({ kind: 'sms' }) }, 'kind'],
  ['another state', { unique_id: 'a', ...totp({ state: 'x' }) }, 'state'],
  ['half a counter', { unique_id: 'a', ...totp({ counter: 0.5 }) }, 'whole'],
  ['half a failure', { unique_id: 'a', failures: 0.5 }, 'whole number'],
  ['fewer than no failures', { unique_id: 'a', failures: -1 }, 'whole number'],
  ['too many failures', { unique_id: 'a', failures: 2 ** 40 }, 'too large'],
  ['a time as text', { unique_id: 'a', created_at: 'today' }, 'whole number'],
  ['enrolled maybe', { unique_id: 'a', enrolled: 'maybe' }, 'enrolled'],
  [
    'eleven apps',
    { unique_id: 'a', factors: Array.from({ length: 11 }, () => ({ secret })) },
    'at most 10',
  ],
  [
    'two one-time passes',
    {
      unique_id: 'a',
      factors: ['otp', 'otp'].map((kind) => ({ kind, secret })),
    },
    'more than one',
  ],
  ['codes that are no list', { unique_id: 'a', recovery_codes: 'x' }, 'list'],
  [
    'a flood of codes',
    {
      unique_id: 'a',
      recovery_codes: Array.from(
        { length: 101 },
        (_, i) =>
          `aaaaaaa${String.fromCharCode(97 + (i % 26))}${'abcde'[Math.floor(i / 26)]}a`,
      ),
    },
    'more than 100',
  ],
])('refuses %s, and imports the users around', async (name, user, reason) => {
  const around = [`before ${name}`, `after ${name}`];
  const report = await importInto(
    server,
    jsonLines([
      { unique_id: around[0], ...totp() },
      user,
      { unique_id: around[1], ...totp() },
    ]),
  );
  expect(report).toMatchObject({ created: 2, refused: 1 });
  expect(report.problems).toEqual([
    { line: 2, reason: expect.stringContaining(reason) },
  ]);
});

it('imports what a user has of use, and warns of the rest', async () => {
  const factors = [{ secret }, { secret, digits: 7 }, { kind: 'hotp' }];
  const report = await importInto(
    server,
    jsonLines([{ unique_id: 'two of three', factors }]),
  );
  expect(report).toMatchObject({ created: 1, warnings: 2 });
  expect(report.warningsSeen.map(({ line }) => line)).toEqual([1, 1]);
});

it('reports lines that are no JSON, not UTF-8, or too long', async () => {
  const text = Buffer.concat([
    Buffer.from(`{"unique_id":"json 1"}\n\n{"unique_id":\nnull\n`),
    Buffer.from([0x22, 0xff, 0x22, 0x0a]),
    Buffer.from(`{"unique_id":"x","meta":"${'x'.repeat(2 ** 21)}"}\r\n`),
    Buffer.from('{"unique_id":"json 2"}'),
  ]);
  const report = await importInto(server, text);
  expect(report).toMatchObject({ read: 6, created: 2, refused: 4 });
  expect(report.problems.map(({ line }) => line)).toEqual([3, 4, 5, 6]);
});

it('refuses the second line of a user, in one batch or in two', async () => {
  const users = Array.from({ length: 300 }, (_, i) => ({
    unique_id: `twice-${i % 290}`,
    display_name: `line ${i + 1}`,
  }));
  const report = await importInto(server, jsonLines(users), {
    existing: 'update',
  });
  expect(report).toMatchObject({ created: 290, refused: 10, updated: 0 });
  expect(report.problems[0]).toEqual({
    line: 291,
    reason: 'is a user who came earlier in the file',
  });
  const { body } = await call(server, 'GET', 'users/twice-0/');
  expect(body.data.display_name).toBe('line 1');
});

it('tells 100,000 users apart', () => {
  const seen = new SeenUsers();
  for (const isNew of [true, false])
    for (let i = 0; i < 100_000; i++)
      if (seen.add('realm', `user-${i}`) !== isNew)
        throw new Error(`user-${i}`);
  expect(seen.add('other', 'user-1')).toBe(true);
});

it('never shows a secret, an address, a number or an id', async () => {
  const values = {
    unique_id: 'jane-the-first',
    email: 'jane@@example.com',
    sms_number: '+1555000',
    secret: `${newSecret()}!`,
  };
  const { secret: bad, ...user } = values;
  const seen: Imported[] = [];
  for (const line of [
    jsonLines([{ ...user, factors: [{ secret: bad }] }]),
    jsonLines([{ unique_id: values.unique_id, factors: [{ secret: bad }] }]),
    jsonLines([{ ...user, email: undefined }]),
    `{"unique_id":"${values.unique_id}","secret":"${bad}`,
  ])
    seen.push(await importInto(server, line));
  for (const format of ['csv', 'otpauth', 'privacyidea'] as const)
    seen.push(
      await importInto(
        server,
        `unique_id,secret\n"${values.unique_id},"${bad}\n${values.unique_id},${bad}\n`,
        { format },
      ),
    );
  const shown = JSON.stringify(seen);
  expect(seen.every(({ refused }) => refused > 0)).toBe(true);
  for (const value of Object.values(values)) expect(shown).not.toContain(value);
});

it('says that an export was cut off, and keeps what came before', async () => {
  const header = {
    format: 'nestjs-gauthify export',
    version: 1,
    recovery_keys: [],
  };
  const user = (id: string) => ({ realm: 'test', unique_id: id });
  const cut = jsonLines([header, user('cut 1'), user('cut 2')]);
  await expect(importInto(server, cut)).rejects.toThrow('cut off');
  expect((await call(server, 'GET', 'users/cut%202/')).status).toBe(200);
  const wrong = jsonLines([header, user('cut 3'), { users: 2 }]);
  await expect(importInto(server, wrong)).rejects.toThrow('cut off');
  const newer = jsonLines([{ ...header, version: 2 }, user('cut 4')]);
  await expect(importInto(server, newer)).rejects.toThrow('version 2');
});

it('imports no time that is none, and no user whose only app or passes end', async () => {
  const never = { unique_id: 'never', created_at: 8.64e15 + 1 };
  const expired = {
    unique_id: 'expired',
    factors: [
      { secret, state: 'pending', expires_at: 1 },
      { kind: 'otp', secret, expires_at: 1 },
    ],
  };
  const { problems, created } = await importInto(
    server,
    jsonLines([never, expired, { unique_id: 'last', created_at: 8.64e15 }]),
  );
  expect(problems).toEqual([
    { line: 1, reason: 'created_at must be a whole number' },
  ]);
  expect(created).toBe(2);
  expect((await call(server, 'GET', 'users/last/')).status).toBe(200);
  const { body } = await call(server, 'GET', 'users/expired/');
  expect(body.data).toMatchObject({ unique_id: 'expired' });
  expect(
    await check(server, 'expired', server.totp(body.data.key)),
  ).toMatchObject({ authenticated: true });
});

it('does not show the secret of an imported app on a page', async () => {
  await importInto(server, jsonLines([{ unique_id: 'shown', ...totp() }]));
  const { body } = await call(server, 'GET', 'users/shown/');
  expect((await fetch(body.data.ez_url)).status).toBe(200);
  expect(await (await fetch(body.data.instructions_url)).text()).not.toContain(
    secret.slice(0, 8),
  );
  expect((await fetch(body.data.qr_url)).status).toBe(410);
});
