/** What other systems export, made here as they make it: people keep their authenticator apps. */
import 'reflect-metadata';
import {
  createCipheriv,
  createHash,
  createHmac,
  randomBytes,
} from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { managedNonce } from '@noble/ciphers/utils.js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { HOTP, Secret, TOTP } from 'otpauth';
import { openFernet } from '../../../lib/server/transfer/fernet.js';
import type { Format } from '../../../lib/server/transfer/readers/formats.js';
import { hChaCha } from '../../../lib/server/transfer/xchacha.js';
import { call, check } from '../../helpers/api.js';
import { importInto, newSecret } from '../../helpers/transfer.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

let made = 0;
const newId = () => `person-${++made}`;
const load = (format: Format, text: string, foreignSecret = '') =>
  importInto(server, text, { format, foreignSecret });
const bytesOf = (text: string) =>
  new Secret({ buffer: new Uint8Array(Buffer.from(text)).buffer });

/** Whether the app of a person works: the code is computed by another library than the reader. */
const codeWorks = async (
  id: string,
  secret: Secret,
  parameters: { algorithm?: string; digits?: number; period?: number } = {},
) => {
  const code = new TOTP({ secret, ...parameters }).generate({
    timestamp: server.now(),
  });
  return (await check(server, id, code)).authenticated as boolean;
};

const fromBase32 = (text: string) => Secret.fromBase32(text);

describe('CSV', () => {
  it('reads the documented columns, in any order, quoted, with a byte order mark', async () => {
    const [a, b] = [newId(), newId()];
    const [one, other] = [newSecret(), newSecret()];
    const text = [
      '\ufeffsecret,Unique_ID,display_name,email,meta,algorithm,digits,period,enrolled,recovery_codes,sms_number',
      `${one},${a},"Doe, Jane",jane@example.com,"{""plan"":""x""}",,,,,,9162627232`,
      `"${other.toLowerCase().replace(/(.{4})/g, '$1 ')}",${b},,,,sha256,8,60,false,abcde-fghij klmno-pqrst,`,
    ].join('\r\n');
    const report = await load('csv', text);
    expect(report).toMatchObject({ created: 2, refused: 0, warnings: 0 });
    const get = async (id: string) =>
      (await call(server, 'GET', `users/${id}/`)).body.data;
    expect(await get(a)).toMatchObject({
      display_name: 'Doe, Jane',
      email: 'jane@example.com',
      sms_number: '+19162627232',
      meta: { plan: 'x' },
      key: one,
      enrolled: true,
    });
    expect(await get(b)).toMatchObject({
      display_name: b,
      enrolled: false,
      recovery_codes_left: 2,
    });
    expect(await codeWorks(a, fromBase32(one))).toBe(true);
    const parameters = { algorithm: 'SHA256', digits: 8, period: 60 };
    expect(await codeWorks(b, fromBase32(other), parameters)).toBe(true);
    expect(await check(server, b, 'ABCDE FGHIJ')).toMatchObject({
      authenticated: true,
      method: 'recovery',
    });
  });

  it('reports rows that are none, and imports the others', async () => {
    const [a, b] = [newId(), newId()];
    const text = `unique_id,secret\n${a},${newSecret()}\ntoo,many,columns\n"never closed,x\n${b},${newSecret()}\n`;
    const report = await load('csv', text);
    expect(report.created).toBe(2);
    expect(report.problems).toEqual([
      { line: 3, reason: 'has another number of columns than the first row' },
      { line: 4, reason: expect.stringContaining('quote') },
    ]);
  });

  it.each([
    ['email,secret\nx,y\n', 'unique_id'],
    ['unique_id,pasword\nx,y\n', 'Column 2'],
  ])('refuses a file with other columns: %j', async (text, named) => {
    await expect(load('csv', text)).rejects.toMatchObject({
      name: 'StartError',
      message: expect.stringContaining(named),
    });
  });
});

describe('otpauth://', () => {
  it('reads a list, with several apps of one person', async () => {
    const [a, b] = [newId(), `${newId()}@example.com`];
    const [one, two, three] = [newSecret(), newSecret(), newSecret()];
    const text = [
      '# exported today',
      new TOTP({
        issuer: 'Shop',
        label: a,
        secret: fromBase32(one),
      }).toString(),
      '',
      `otpauth://totp/Shop:%20${encodeURIComponent(b)}?secret=${two}&algorithm=SHA512`,
      new TOTP({
        issuer: 'Shop',
        label: a,
        secret: fromBase32(three),
        digits: 8,
      }).toString(),
      new HOTP({ label: newId(), secret: fromBase32(newSecret()) }).toString(),
      'https://example.com',
    ].join('\n');
    const report = await load('otpauth', text);
    expect(report.created).toBe(2);
    expect(report.problems).toEqual([
      { line: 7, reason: 'is not an otpauth:// URI' },
      { line: 6, reason: expect.stringContaining('HOTP') },
    ]);
    expect(await codeWorks(a, fromBase32(one))).toBe(true);
    expect(await codeWorks(a, fromBase32(three), { digits: 8 })).toBe(true);
    const sha512 = { algorithm: 'SHA512' };
    expect(await codeWorks(b, fromBase32(two), sha512)).toBe(true);
  });

  it('makes one user of one person alone', async () => {
    const [a, b, c, d, e] = [newId(), newId(), newId(), newId(), newId()];
    const secret = () => newSecret();
    const text = [
      // Someone who calls themselves like this is somebody else.
      `otpauth://totp/Shop:${a}?secret=${secret()}&issuer=Shop`,
      `otpauth://totp/evil%3A${a}?secret=${secret()}&issuer=Shop`,
      `otpauth://totp/Shop:${a}%20?secret=${secret()}&issuer=Shop`,
      // Without an issuer, it is unclear whether the prefix belongs to the name.
      `otpauth://totp/${b}?secret=${secret()}`,
      `otpauth://totp/evil%3A${b}?secret=${secret()}`,
      // Two issuers, two people.
      `otpauth://totp/Shop:${c}?secret=${secret()}&issuer=Shop`,
      `otpauth://totp/Bank:${c}?secret=${secret()}&issuer=Bank`,
      `otpauth://totp/${d}?secret=${secret()}&issuer=Shop`,
      `otpauth://totp/${d}?secret=${secret()}&issuer=Forum`,
      // One person, however it is written.
      `otpauth://totp/Shop:${e}?secret=${secret()}&issuer=Shop`,
      `otpauth://totp/Shop:${e}?secret=${secret()}`,
      `otpauth://totp/${e}?secret=${secret()}&issuer=Shop`,
      `otpauth://totp/Shop:${e}?secret=${secret()}&issuer=`,
    ].join('\n');
    const report = await load('otpauth', text);
    const several = expect.stringContaining('one of several owners');
    expect(report.problems).toEqual([
      { line: 4, reason: several },
      { line: 6, reason: several },
      { line: 8, reason: several },
    ]);
    expect(report.created).toBe(4);
    const factors = await call(server, 'GET', `users/${a}/factors/`);
    expect(
      factors.body.data.filter(({ kind }: any) => kind === 'totp'),
    ).toHaveLength(1);
  });

  it('reads what Google Authenticator exports', async () => {
    const [a, b, c] = [newId(), newId(), newId()];
    const [one, two] = [randomBytes(20), randomBytes(64)];
    const field = (number: number, value: Buffer | string | number) =>
      typeof value === 'number'
        ? Buffer.from([number << 3, value])
        : Buffer.concat([
            Buffer.from([(number << 3) | 2, Buffer.from(value).length]),
            Buffer.from(value),
          ]);
    const account = (...fields: Buffer[]) => field(1, Buffer.concat(fields));
    const payload = Buffer.concat([
      account(
        field(1, one),
        field(2, `Shop:${a}`),
        field(3, 'Shop'),
        field(4, 1),
        field(5, 1),
        field(6, 2),
      ),
      account(
        field(1, two),
        field(2, b),
        field(4, 3),
        field(5, 2),
        field(6, 2),
      ),
      // Someone who calls themselves like this is not `a`.
      account(field(1, two), field(2, `evil:${a}`), field(3, 'Shop')),
      account(field(1, one), field(2, c), field(6, 1), field(7, 5)),
      field(2, 1),
      field(3, 1),
    ]);
    const uri = `otpauth-migration://offline?data=${encodeURIComponent(payload.toString('base64'))}`;
    const report = await load('otpauth', `${uri}\notpauth-migration://x\n`);
    expect(report).toMatchObject({ created: 3, refused: 2 });
    const secretOf = (bytes: Buffer) =>
      new Secret({ buffer: new Uint8Array(bytes).buffer });
    expect(await codeWorks(a, secretOf(one))).toBe(true);
    const parameters = { algorithm: 'SHA512', digits: 8 };
    expect(await codeWorks(b, secretOf(two), parameters)).toBe(true);
  });
});

describe('Keycloak', () => {
  const otp = (
    value: string,
    data: object = {},
    more: object = {},
  ): object => ({
    type: 'otp',
    secretData: JSON.stringify({ value }),
    credentialData: JSON.stringify({
      subType: 'totp',
      digits: 6,
      counter: 0,
      period: 30,
      algorithm: 'HmacSHA1',
      ...data,
    }),
    ...more,
  });
  const password = {
    type: 'password',
    secretData: '{"value":"x","salt":"y"}',
    credentialData: '{"hashIterations":5,"algorithm":"argon2"}',
  };

  it('reads the users of a realm, whose secrets are text or base32', async () => {
    const [a, b, c, d, e] = [newId(), newId(), newId(), newId(), newId()];
    // 20 letters and digits, as Keycloak makes them.
    const text = randomBytes(15).toString('base64url');
    const base32 = newSecret();
    const report = await load(
      'keycloak',
      JSON.stringify({
        realm: 'shop',
        users: [
          {
            username: a,
            email: 'jane@example.com',
            firstName: 'Jane',
            lastName: 'Doe',
            credentials: [
              password,
              otp(text, {}, { userLabel: 'Phone' }),
              otp(base32, {
                algorithm: 'HmacSHA256',
                digits: 8,
                secretEncoding: 'BASE32',
              }),
            ],
          },
          { username: b, credentials: [password] },
          {
            username: c,
            credentials: [otp(text, { subType: 'hotp', counter: 3 })],
          },
          { username: d, credentials: [otp(text, { digits: 7 })] },
          {
            username: e,
            credentials: [otp(text, { period: 45 }), otp(base32)],
          },
          'no user',
        ],
      }),
    );
    expect(report).toMatchObject({ read: 5, created: 2, warnings: 1 });
    expect(report.problems).toEqual(
      [
        { line: 6, reason: 'is not a user of Keycloak' },
        { line: 3, reason: expect.stringContaining('HOTP') },
        { line: 4, reason: 'has a factor whose digits must be 6 or 8' },
      ].sort((x, y) => x.line - y.line),
    );
    expect(report.warningsSeen).toEqual([
      { line: 5, reason: 'has a factor whose period must be 30 or 60' },
    ]);
    const { body } = await call(server, 'GET', `users/${a}/factors/`);
    expect(body.data[0]).toMatchObject({ name: 'Phone', state: 'active' });
    expect(await codeWorks(a, bytesOf(text))).toBe(true);
    const parameters = { algorithm: 'SHA256', digits: 8 };
    expect(await codeWorks(a, fromBase32(base32), parameters)).toBe(true);
    // Without an encoding, even base32 is text.
    expect(await codeWorks(e, bytesOf(base32))).toBe(true);
  });

  it('refuses a file without users', async () => {
    await expect(load('keycloak', '{"realm":"shop"}')).rejects.toThrow(
      'kc.sh export',
    );
  });
});

describe('better-auth', () => {
  /** `symmetricEncrypt` of better-auth, by the library that it uses. */
  const seal = (secret: string, text: string) =>
    Buffer.from(
      managedNonce(xchacha20poly1305)(
        new Uint8Array(createHash('sha256').update(secret).digest()),
      ).encrypt(new TextEncoder().encode(text)),
    ).toString('hex');
  const app = randomBytes(32).toString('base64');

  it('decrypts secrets and backup codes with the secret of the application', async () => {
    const [a, b] = [newId(), newId()];
    const [one, two] = ['x', 'y'].map((letter) =>
      (letter + randomBytes(24).toString('base64url')).slice(0, 32),
    ) as [string, string];
    const rows = [
      {
        id: '1',
        userId: a,
        secret: seal(app, one),
        // `0`, `1`, `8` and `9` cannot be in a recovery code here.
        backupCodes: seal(app, '["AbCdE-fGhIj","klmn0-pqrst"]'),
        email: 'jane@example.com',
        name: 'Jane',
      },
      {
        id: '2',
        userId: b,
        secret: seal(app, two),
        backupCodes: '[]',
        verified: false,
      },
    ];
    const report = await load('better-auth', JSON.stringify(rows), app);
    expect(report).toMatchObject({ created: 2, recoveryCodesLeftOut: 1 });
    const { body } = await call(server, 'GET', `users/${a}/`);
    expect(body.data).toMatchObject({
      display_name: 'Jane',
      email: 'jane@example.com',
      enrolled: true,
      recovery_codes_left: 1,
    });
    expect(await codeWorks(a, bytesOf(one))).toBe(true);
    expect(await check(server, a, 'AbCdE-fGhIj')).toMatchObject({
      authenticated: true,
    });
    const other = await call(server, 'GET', `users/${b}/`);
    expect(other.body.data.enrolled).toBe(false);
    expect(await codeWorks(b, bytesOf(two))).toBe(true);
  });

  it('decrypts with versioned secrets, also what is older than the versions, from CSV', async () => {
    const [a, b, c] = [newId(), newId(), newId()];
    const [text, old] = [randomBytes(24).toString('base64url'), app];
    const current = randomBytes(32).toString('base64');
    const csv = [
      'id,user_id,secret,backup_codes',
      `1,${a},$ba$2$${seal(current, text)},`,
      `2,${b},${seal(old, text)},`,
      `3,${c},$ba$3$${seal(current, text)},`,
    ].join('\n');
    const report = await load('better-auth', csv, `2:${current},1:${old}`);
    expect(report.created).toBe(2);
    expect(report.problems).toEqual([
      { line: 4, reason: expect.stringContaining('cannot be decrypted') },
    ]);
    expect(await codeWorks(a, bytesOf(text))).toBe(true);
    expect(await codeWorks(b, bytesOf(text))).toBe(true);
  });

  it('refuses rows of another secret', async () => {
    const row = { userId: newId(), secret: seal('another', newSecret()) };
    const { created, problems } = await load(
      'better-auth',
      JSON.stringify([row]),
      app,
    );
    expect([created, problems]).toEqual([
      0,
      [{ line: 1, reason: expect.stringContaining('another one') }],
    ]);
  });

  it('computes HChaCha20 as the draft does [draft-irtf-cfrg-xchacha-03 §2.2.1]', () => {
    const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const nonce = Buffer.from('000000090000004a0000000031415927', 'hex');
    expect(hChaCha(key, nonce).toString('hex')).toBe(
      '82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc',
    );
  });
});

describe('Authy', () => {
  it('reads decrypted seeds, and refuses tokens of Authy’s own kind', async () => {
    const [a, b] = [newId(), newId()];
    const secret = newSecret();
    const token = (name: string, digits: number) => ({
      account_type: 'authenticator',
      name,
      issuer: null,
      decrypted_seed: secret,
      digits,
      logo: 'shop',
      unique_id: '1700000000',
    });
    const report = await load(
      'authy',
      JSON.stringify({
        message: 'success',
        decrypted_authenticator_tokens: [
          token(`Shop: ${a}`, 6),
          token(b, 7),
          {},
        ],
        success: true,
      }),
    );
    expect(report).toMatchObject({ created: 1, refused: 2 });
    expect(report.problems).toEqual([
      { line: 3, reason: 'is a token without a name' },
      { line: 2, reason: 'has a factor whose digits must be 6 or 8' },
    ]);
    expect(await codeWorks(a, fromBase32(secret))).toBe(true);
  });
});

describe('privacyIDEA', () => {
  /** `Fernet(key).encrypt` [https://github.com/fernet/spec]. */
  const fernet = (key: Buffer, text: string) => {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000)));
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-128-cbc', key.subarray(16), iv);
    const signed = Buffer.concat([
      Buffer.from([0x80]),
      time,
      iv,
      cipher.update(text),
      cipher.final(),
    ]);
    const mac = createHmac('sha256', key.subarray(0, 16))
      .update(signed)
      .digest();
    // Python's urlsafe_b64encode keeps the padding.
    return Buffer.concat([signed, mac])
      .toString('base64')
      .replaceAll('+', '-')
      .replaceAll('/', '_');
  };
  const key = randomBytes(32);
  const keyText = `${key.toString('base64url')}=`;

  it('reads the encrypted export, and keeps used codes used', async () => {
    const [a, b, c] = [newId(), newId(), newId()];
    const [one, two] = [randomBytes(20), randomBytes(32)];
    const now = Math.floor(server.now() / 30_000);
    const token = (login: string, seed: Buffer, more: object = {}) => ({
      serial: 'TOTP0001',
      type: 'totp',
      otpkey: seed.toString('hex'),
      description: '',
      otplen: 6,
      counter: 0,
      active: true,
      revoked: false,
      locked: false,
      rollout_state: '',
      info_list: { timeStep: '30', hashlib: 'sha1' },
      user: { login, realm: 'defrealm', resolver: 'users', uid: '1' },
      ...more,
    });
    const tokens = [
      // It has accepted the code of this step.
      token(a, one, { counter: now + 1, description: 'Phone' }),
      token(b, two, {
        otplen: 8,
        info_list: { timeStep: '60', hashlib: 'sha256' },
      }),
      token(c, one, { active: false }),
      token(c, one, { type: 'hotp' }),
      token(c, one, { type: 'push' }),
      token(c, one, { user: undefined }),
      token(c, one, { rollout_state: 'clientwait' }),
    ];
    const text = fernet(key, JSON.stringify(tokens, undefined, 2));
    const report = await load('privacyidea', text, keyText);
    expect(report).toMatchObject({ created: 2, refused: 5 });
    const secretOf = (bytes: Buffer) =>
      new Secret({ buffer: new Uint8Array(bytes).buffer });
    expect(await codeWorks(a, secretOf(one))).toBe(false);
    expect(
      await check(
        server,
        a,
        new TOTP({ secret: secretOf(one) }).generate({
          timestamp: (now + 1) * 30_000,
        }),
      ),
    ).toMatchObject({ authenticated: true });
    const parameters = { algorithm: 'SHA256', digits: 8, period: 60 };
    expect(await codeWorks(b, secretOf(two), parameters)).toBe(true);
    await expect(
      load('privacyidea', text, randomBytes(32).toString('base64url')),
    ).rejects.toThrow('its key is another one');
  });

  it('makes one user of one person alone, whatever realm they are of', async () => {
    const alice = newId();
    const token = (realm: string) => ({
      type: 'totp',
      otpkey: randomBytes(20).toString('hex'),
      otplen: 6,
      info_list: { timeStep: { toString: null } },
      user: { login: alice, realm },
    });
    const several = expect.stringContaining('one of several owners');
    const json = JSON.stringify([token('admins'), token('customers')]);
    const csv = ['admins', 'customers']
      .map((realm) => `${alice}@${realm}, TOTP1, ${newSecret()}, totp, 6, 30`)
      .join('\n');
    for (const text of [json, csv])
      expect(await load('privacyidea', text)).toMatchObject({
        created: 0,
        problems: [{ line: 1, reason: several }],
      });
  });

  it('reads CSV, in hexadecimal and base32', async () => {
    const [a, b] = [`${newId()}@example.com`, newId()];
    const one = randomBytes(20);
    const two = newSecret();
    const csv = [
      `${a}@defrealm, TOTP0001, ${one.toString('hex')}, totp, 6, 30`,
      `${b}@defrealm, TOTP0002, ${two}, totp, 8, 60`,
      `n/a, TOTP0003, ${two}, totp, 6, 30`,
      `${newId()}@defrealm, OATH0001, ${two}, hotp, 6`,
    ].join('\n');
    const report = await load('privacyidea', csv);
    expect(report.created).toBe(2);
    expect(report.problems).toEqual([
      { line: 3, reason: 'is a token that belongs to nobody' },
      { line: 4, reason: expect.stringContaining('HOTP') },
    ]);
    const secret = new Secret({ buffer: new Uint8Array(one).buffer });
    expect(await codeWorks(a, secret)).toBe(true);
    const parameters = { digits: 8, period: 60 };
    expect(await codeWorks(b, fromBase32(two), parameters)).toBe(true);
  });

  it('decrypts the example of the specification [fernet/spec, verify.json]', () => {
    const example = openFernet(
      'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=',
      'gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==',
    );
    expect(example.toString()).toBe('hello');
  });
});
