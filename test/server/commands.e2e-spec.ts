/** The commands of the built program, as an operator runs them. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import BetterSqlite3 from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser, wrongCode } from '../helpers/api.js';
import { Commands, PROGRAM } from '../helpers/commands.js';

let folder: string;
/** A server on the same database, while the commands run. */
let server: GAuthifyTestServer;
let commands: Commands;

beforeAll(async () => {
  commands = new Commands();
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  server = await GAuthifyTestServer.start({
    database: `sqlite:${join(folder, 'gauthify.sqlite')}`,
  });
});
afterAll(async () => {
  await commands.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Runs a command. */
const run = (args: string, env: Record<string, string> = {}) =>
  commands.run(args.split(' '), { cwd: folder, env });

async function json(args: string): Promise<any> {
  const { output, errors, code } = await run(`--json ${args}`);
  expect([errors, code]).toEqual(['', 0]);
  return JSON.parse(output) as unknown;
}

const statusOf = async (authorization: string) =>
  (
    await call(server, 'GET', 'realm/', undefined, {
      headers: { authorization },
    })
  ).status;

it('a realm and its keys: made, used by a running server, rotated, revoked, deleted', async () => {
  expect(await json('realm create shop')).toEqual({ name: 'shop' });
  const again = await run('realm create shop');
  expect([again.errors, again.code]).toEqual([
    'gauthify-server: The realm shop exists already\n',
    1,
  ]);
  const made = await json('key create shop --name web');
  expect(await statusOf(made.key)).toBe(200);
  const listed = await run('key list shop');
  expect(listed.output).toContain(made.id);
  expect(listed.output).not.toContain(made.key);
  const next = await json(`key rotate shop ${made.id} --grace-hours 1`);
  expect(await statusOf(next.key)).toBe(200);
  expect(await json(`key revoke shop ${next.id}`)).toEqual({
    revoked: next.id,
  });
  const unknown = await run(`key revoke shop ${next.id}`);
  expect([unknown.code, unknown.errors]).toEqual([
    1,
    expect.stringContaining('has no key with the id'),
  ]);
  const unsure = await run('realm delete shop');
  expect(unsure.code).toBe(2);
  expect(await json('realm delete shop --yes')).toEqual({
    deleted: 'shop',
    users: 0,
    keys: 1,
  });
  const names = (await json('realm list')).map(({ name }: any) => name);
  expect(names).not.toContain('shop');
});

it('settings of a realm, from options and files', async () => {
  writeFileSync(join(folder, 'texts.json'), '{"de":{"smsText":"Code {code}"}}');
  const { settings } = await json(
    'realm set test --issuer Shop --country DE,AT --texts texts.json',
  );
  expect(settings).toEqual({
    issuer: 'Shop',
    countries: ['DE', 'AT'],
    texts: { de: { smsText: 'Code {code}' } },
  });
  const cleared = await json('realm set test --clear texts,country');
  expect(cleared.settings).toEqual({ issuer: 'Shop' });
  writeFileSync(join(folder, 'texts.json'), '{"de":{"smsText":"Code"}}');
  const wrong = await run('realm set test --texts texts.json');
  expect([wrong.code, wrong.errors]).toEqual([
    1,
    'gauthify-server: Setting texts.de.smsText must contain {code}\n',
  ]);
});

it('a user: shown without secrets, unlocked, reset, deleted', async () => {
  const user = await createUser(server, { email: 'jane@example.com' });
  for (let i = 0; i < 6; i++)
    await call(server, 'POST', 'check/', {
      unique_id: user.unique_id,
      auth_code: wrongCode(server, user.key),
    });
  const shown = await run(`user show test ${user.unique_id}`);
  expect(shown.output).toMatch(
    /wrong_codes: 5\nrefused: Too many wrong codes: wait \d+ seconds? before the next attempt\n/,
  );
  expect(shown.output).not.toContain(user.key);
  expect(shown.output).not.toContain(user.otp);
  await json(`user unlock test ${user.unique_id}`);
  const { wrong_codes, refused, last_used_at } = await json(
    `user show test ${user.unique_id}`,
  );
  expect([wrong_codes, refused, last_used_at]).toEqual([0, null, null]);
  await check(server, user.unique_id, user.otp);
  const used = await json(`user show test ${user.unique_id}`);
  expect(used.last_used_at).toMatch(/^\d{4}-/);
  await json(`user reset test ${user.unique_id}`);
  const path = `users/${user.unique_id}/`;
  expect((await call(server, 'GET', path)).body.data.key).not.toBe(user.key);
  const elsewhere = await run(`user delete other ${user.unique_id} --yes`);
  expect([elsewhere.code, elsewhere.errors]).toEqual([
    1,
    `gauthify-server: The realm other has no user ${user.unique_id}\n`,
  ]);
  await json(`user delete test ${user.unique_id} --yes`);
  expect((await call(server, 'GET', path)).status).toBe(404);
});

it('quick-test finds that everything works, or that a key is wrong', async () => {
  const url = `quick-test --url ${server.accessPoint}`;
  const good = await run(url, { GAUTHIFY_API_KEY: server.apiKey });
  expect([good.output, good.code]).toEqual(['Everything works\n', 0]);
  const bad = await run(url, { GAUTHIFY_API_KEY: 'x'.repeat(20) });
  expect(bad.code).toBe(1);
  const none = await run(url);
  expect(none.errors).toContain('Set GAUTHIFY_API_KEY');
  const { port } = new URL(server.accessPoint);
  const kept = await run('quick-test --email jane@example.com', {
    GAUTHIFY_API_KEY: server.apiKey,
    PORT: port,
  });
  expect([kept.output, kept.code]).toEqual([
    'Everything works but delivery\n',
    1,
  ]);
  expect(kept.errors).toContain('NOT DELIVERED: the server has no sender for');
  const elsewhere = await run('quick-test --url http://127.0.0.1:1/v1/', {
    GAUTHIFY_API_KEY: server.apiKey,
  });
  expect(elsewhere.errors).toContain(
    'http://127.0.0.1:1/v1/ refused the connection',
  );
  expect(elsewhere.output).toContain('failed at http://127.0.0.1:1/v1/');
  const mistaken = await run('quick-test --url 127.0.0.1:4000');
  expect([mistaken.code, mistaken.errors]).toEqual([
    2,
    expect.stringContaining('a URL that ends in /v1/'),
  ]);
});

it('a command only looks, where it says so', async () => {
  const DATABASE_URL = `sqlite:${join(folder, 'other.sqlite')}`;
  const none = await run('check-config', { DATABASE_URL });
  expect(none.output).toContain('other.sqlite, which the next start creates');
  for (const command of [
    'key list',
    'realm list',
    'user show a b',
    'audit verify',
    'export - --all --plain',
    'rotate-keys',
  ])
    expect(await run(command, { DATABASE_URL })).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/There is no database \/.*other\.sqlite/),
    });
  expect(existsSync(join(folder, 'other.sqlite'))).toBe(false);
  const made = await run('key create shop', { DATABASE_URL });
  expect(made).toMatchObject({ code: 0, errors: 'The realm shop is new\n' });
  // A key that somebody only tries.
  const file = join(folder, 'other.sqlite.key');
  const tried = {
    DATABASE_URL,
    GAUTHIFY_ENCRYPTION_KEYS: `tried:${randomBytes(32).toString('base64')},${readFileSync(file, 'utf8').trim()}`,
  };
  const check = await run('check-config', tried);
  expect(check.errors).toContain(
    'The next start encrypts the data keys with the key "tried"',
  );
  for (const command of ['key list', 'rotate-keys --status', 'realm list'])
    expect(await run(command, tried)).toMatchObject({ code: 0 });
  expect(await run('key list', { DATABASE_URL })).toMatchObject({ code: 0 });
  // Of an older version.
  const older = new BetterSqlite3(join(folder, 'other.sqlite'));
  older.exec("delete from kysely_migration where name >= '0013'");
  older.close();
  const look = await run('key list', { DATABASE_URL });
  expect(look.errors).toContain('The database is of an older version');
  const upgrade = await run('check-config', { DATABASE_URL });
  expect(upgrade.output).toContain('which the next start upgrades');
  expect(upgrade.errors).toContain('The keys were not tried');
  const newer = new BetterSqlite3(join(folder, 'other.sqlite'));
  newer.exec(
    "insert into kysely_migration values ('0013_entered_before', ''), ('9999_later', '')",
  );
  newer.close();
  for (const command of ['key list', 'check-config'])
    expect(await run(command, { DATABASE_URL })).toMatchObject({ code: 1 });
  // Whose first start was interrupted before it made keys.
  const half = new BetterSqlite3(join(folder, 'other.sqlite'));
  half.exec(
    "delete from kysely_migration where name = '9999_later'; delete from data_keys",
  );
  half.close();
  const early = await run('check-config', tried);
  expect(early.output).toContain('which the next start creates');
  expect(await run('key list', tried)).toMatchObject({
    code: 1,
    errors: expect.stringContaining('The database has no data keys yet'),
  });
});

it.each([
  ['realm delete nope --yes', 'There is no realm "nope"', 1],
  ['realm show nope', 'There is no realm "nope"', 1],
  ['key list nope', 'There is no realm "nope"', 1],
  ['export - --plain --realm nope', 'There is no realm "nope"', 1],
  ['audit export nope', 'no rows of a realm nope', 1],
  ['audit prune nope --yes --before 2020-01-01', 'no rows of a realm nope', 1],
  ['audit prune test --before 2020-01-01', "required option '--yes'", 2],
  [
    'audit prune test --yes --before 9999-01-01',
    'must not be in the future',
    2,
  ],
  ['realm set test', 'give at least one setting', 2],
  ['realm set test --clear all', 'There is no setting all', 2],
  ['import users.csv', 'give --format csv', 2],
  ['import . --format csv --realm test', '. cannot be read: EISDIR', 1],
  ['realm set test --country ,', 'must not be empty', 2],
  ['realm set test --clear constructor', 'no setting constructor', 2],
  ['servr', 'there is no command servr; did you mean serve?', 2],
  ['key rotate', 'See gauthify-server key rotate --help', 2],
])('%s: %s', async (args, sentence, expected) => {
  const { code, errors, output } = await run(args);
  expect({ code, output }).toEqual({ code: expected, output: '' });
  expect(errors).toContain(sentence);
});

it('ends quietly when nobody reads its output any more', async () => {
  await createUser(server);
  const child = spawn(
    'bash',
    [
      '-c',
      `"$0" "$1" audit export test | true; echo "\${PIPESTATUS[0]}"`,
      process.execPath,
      PROGRAM,
    ],
    { cwd: folder },
  );
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
  ]);
  expect([output, errors]).toEqual(['141\n', '']);
});

it('check-config says what would be used, and what does not work', async () => {
  const good = await run('check-config');
  expect([good.errors, good.code]).toEqual([
    expect.stringMatching(
      /^gauthify-server: Messages of .* not delivered: .*\n$/,
    ),
    0,
  ]);
  expect(good.output).toMatch(/Database gauthify\.sqlite/);
  const bad = await run('check-config', {
    SMTP_URL: 'smtp://127.0.0.1:1',
    MAIL_FROM: 'codes@example.com',
  });
  expect(bad.code).toBe(1);
  expect(bad.errors).toMatch(
    /^gauthify-server: SMTP_URL: the mail server could not be logged in at: .*ECONNREFUSED.*\n$/,
  );
});

it('uses a key provider from a module, and says what is wrong with one', async () => {
  writeFileSync(
    join(folder, 'kms.mjs'),
    `import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
    const key = createHash('sha256').update(process.env.KMS_KEY).digest();
    export default {
      currentKeyId: 'kms:1',
      async wrap(dataKey, context) {
        const cipher = createCipheriv('aes-256-gcm', key, Buffer.alloc(12));
        cipher.setAAD(Buffer.from(context));
        const bytes = Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
        return { keyId: 'kms:1', bytes };
      },
      async unwrap({ bytes }, context) {
        const cipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12));
        cipher.setAAD(Buffer.from(context));
        cipher.setAuthTag(bytes.subarray(-16));
        return Buffer.concat([cipher.update(bytes.subarray(0, -16)), cipher.final()]);
      },
    };`,
  );
  const env = {
    DATABASE_URL: `sqlite:${join(folder, 'kms.sqlite')}`,
    GAUTHIFY_KEY_PROVIDER: 'kms.mjs',
    KMS_KEY: 'a',
  };
  expect(await run('key create shop', env)).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, 'kms.sqlite.key'))).toBe(false);
  expect((await run('rotate-keys --status', env)).code).toBe(0);
  expect(
    await run('key list shop', { ...env, GAUTHIFY_KEY_PROVIDER: '' }),
  ).toMatchObject({
    code: 1,
    errors: expect.stringContaining(
      'kms.sqlite.key is missing, and the database is not new',
    ),
  });
  writeFileSync(join(folder, 'none.mjs'), 'export const provider = {};');
  for (const [file, problem] of [
    ['none.mjs', 'must be an object with a method wrap, but that is undefined'],
    ['missing.mjs', ': missing.mjs cannot be loaded: '],
  ] as const) {
    const wrong = await run('check-config', {
      ...env,
      GAUTHIFY_KEY_PROVIDER: file,
    });
    expect(wrong).toMatchObject({
      code: 1,
      errors: expect.stringMatching(
        /^gauthify-server: GAUTHIFY_KEY_PROVIDER.*\n$/,
      ),
    });
    expect(wrong.errors).toContain(problem);
  }
});

it('audit verify notices a change by hand, and its exit code says so', async () => {
  const { unique_id } = await createUser(server);
  await createUser(server);
  await json(`user unlock test ${unique_id}`);
  const [{ last, hash, problem }] = await json('audit verify test');
  expect([last > 2, problem]).toEqual([true, null]);
  const { output } = await run('audit export test');
  const rows = output.trim().split('\n');
  expect(rows.map((row) => JSON.parse(row).actor)).toContain('cli');
  const other = new BetterSqlite3(join(folder, 'gauthify.sqlite'));
  other.exec("update audit set actor = 'page' where number = 2");
  const found = await run('audit verify test');
  expect([found.code, found.output]).toEqual([
    1,
    'test: row 2 was altered, or is not in its place\n',
  ]);
  other.exec('delete from audit; delete from audit_heads');
  other.close();
  // With two realms: the one that is left does not hide the other.
  await json('realm create office');
  const gone = await run(
    `audit verify --expect gone:1:x --expect test:${last}:${hash}`,
  );
  expect([gone.code, gone.output]).toEqual([
    1,
    expect.stringMatching(
      /^office: rows 1 to 1 are .*\ngone: row 1, which is expected, is missing\ntest: row \d+, which is expected, is missing\n$/,
    ),
  ]);
  const mistaken = await run('audit verify office --expect test:1:x');
  expect([mistaken.code, mistaken.errors]).toEqual([
    2,
    expect.stringContaining('--expect names the realm test'),
  ]);
});

it('rotate-keys encrypts anew while a server serves, and says how far it is', async () => {
  const user = await createUser(server);
  expect(await json('rotate-keys --status')).toEqual({ complete: true });
  const secrets = () => {
    const db = new BetterSqlite3(join(folder, 'gauthify.sqlite'));
    const rows = db
      .prepare("select id, secret from factors where kind <> 'recovery'")
      .all() as { id: string; secret: string }[];
    db.close();
    return new Map(rows.map(({ id, secret }) => [id, secret]));
  };
  const before = secrets();
  // Half a minute: other instances must know the key before it is used.
  const { output, errors, code } = await run('rotate-keys');
  expect(code).toBe(0);
  expect(errors).toMatch(/^The new data key is used once every instance knows/);
  const [, key] = /with the data key (\w+),/.exec(output)!;
  const after = secrets();
  expect(after.size).toBe(before.size);
  for (const [id, secret] of after) {
    expect(secret).toMatch(new RegExp(`^2:${key}\\.`));
    expect(secret).not.toBe(before.get(id));
  }
  expect(
    await check(server, user.unique_id, server.totp(user.key)),
  ).toMatchObject({ authenticated: true });
  expect(await json('rotate-keys --status')).toEqual({ complete: true });
}, 120_000);
