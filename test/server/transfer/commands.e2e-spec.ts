/** `gauthify-server import` and `export`, as they are built. */
import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  expect,
  it,
} from '@jest/globals';
import {
  armor,
  Encrypter,
  generateX25519Identity,
  identityToRecipient,
} from 'age-encryption';
import { Commands, type Ended, PROGRAM } from '../../helpers/commands.js';
import { jsonLines, newSecret, usersOf } from '../../helpers/transfer.js';

/** The work of a passphrase is part of age's format: a second, and more on a busy machine. */
const SLOW = 120_000;

let folder: string;
let encryptionKeys: string;
let commands: Commands;
beforeAll(() => {
  commands = new Commands();
});
afterAll(() => commands.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  encryptionKeys = `test:${randomBytes(32).toString('base64')}`;
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);

const variables = (database: string, env: Record<string, string>) => ({
  DATABASE_URL: `sqlite:${at(database)}.sqlite`,
  GAUTHIFY_ENCRYPTION_KEYS: encryptionKeys,
  ...env,
});

const run = (
  args: string[],
  { database = 'a', input = '', env = {} } = {},
): Promise<Ended> =>
  commands.run(args, { cwd: folder, env: variables(database, env), input });

/** A process of its own. */
const start = (args: string[], env = {}) =>
  spawn(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...variables('a', env) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

const secret = newSecret();
const users = () =>
  jsonLines([
    {
      unique_id: 'jane',
      factors: [{ secret }],
      recovery_codes: ['abcde-fghij'],
    },
    { unique_id: 'joe' },
  ]);
const importUsers = () =>
  run(['import', '-', '--realm', 'shop'], { input: users() });

it(
  'imports from stdin, and exports to a file that only its owner can read',
  async () => {
    expect(await importUsers()).toMatchObject({
      output:
        '2 users read, 2 created, 0 updated, 0 left as they are, 0 refused.\n1 have no authenticator app in the file: they have to enrol.\n',
      errors: expect.stringMatching(
        // How far it is: on a slow machine.
        /^The realm shop has no API key here: gauthify-server key create shop\n(2 users read\n)?$/,
      ),
      code: 0,
    });
    const plain = await run(['export', 'a.jsonl', '--all', '--plain']);
    expect(plain).toMatchObject({ errors: '', code: 0 });
    expect(plain.output).toMatch(
      /Exported 2 users with 2 authenticator apps and 1 recovery codes.\n/,
    );
    expect(plain.output).toContain('not encrypted');
    expect(statSync(at('a.jsonl')).mode & 0o777).toBe(0o600);
    const text = readFileSync(at('a.jsonl'), 'utf8');
    expect(usersOf(text)[0].factors[0].secret).toBe(secret);
    const stdout = await run(['export', '-', '--realm', 'shop', '--plain']);
    expect(stdout.output).toBe(text);
    expect(stdout.errors).toContain('Exported 2 users');
  },
  SLOW,
);

it(
  'never replaces a file without --force, and leaves no other behind',
  async () => {
    await importUsers();
    writeFileSync(at('a.jsonl'), 'mine');
    const args = ['export', 'a.jsonl', '--all', '--plain'];
    expect(await run(args)).toMatchObject({
      output: '',
      errors:
        'gauthify-server: a.jsonl exists: give another name, or --force\n',
      code: 1,
    });
    expect(readFileSync(at('a.jsonl'), 'utf8')).toBe('mine');
    expect(await run([...args, '--force'])).toMatchObject({ code: 0 });
    expect(readFileSync(at('a.jsonl'), 'utf8')).toContain('"jane"');
    expect(readdirSync(folder).filter((name) => /part/.test(name))).toEqual([]);
  },
  SLOW,
);

it(
  'encrypts with a passphrase, and opens the file with it alone',
  async () => {
    await importUsers();
    const passphrase = randomBytes(12).toString('base64');
    writeFileSync(at('passphrase'), `${passphrase}\n`);
    const done = await run([
      'export',
      'a.age',
      '--all',
      '--passphrase-file',
      'passphrase',
    ]);
    // To make a key of a passphrase takes seconds, on purpose.
    expect(done).toMatchObject({
      errors: expect.stringMatching(/^(\d+ users written\n)*$/),
      code: 0,
    });
    const bytes = readFileSync(at('a.age'), 'latin1');
    expect(bytes).toMatch(/^age-encryption.org\/v1\n-> scrypt /);
    expect(bytes).not.toContain('jane');
    const wrong = await run(['import', 'a.age'], {
      database: 'b',
      env: { GAUTHIFY_PASSPHRASE: 'something else' },
    });
    expect(wrong).toMatchObject({ output: '', code: 1 });
    expect(wrong.errors).toContain('cannot be decrypted');
    const right = await run(['import', 'a.age', '--json'], {
      database: 'b',
      env: { GAUTHIFY_PASSPHRASE: passphrase },
    });
    expect(right).toMatchObject({ errors: '', code: 0 });
    expect(JSON.parse(right.output)).toMatchObject({
      dryRun: false,
      created: 2,
      recoveryCodesLeftOut: 0,
    });
  },
  SLOW,
);

it(
  'encrypts to recipients of age, and opens what age wrote, in ASCII too',
  async () => {
    await importUsers();
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const others = await identityToRecipient(await generateX25519Identity());
    writeFileSync(at('identity'), `# created: today\n${identity}\n`);
    const to = ['--recipient', others, '--recipient', recipient];
    await run(['export', 'a.age', '--all', ...to]);
    const open = ['--identity-file', 'identity'];
    expect(await run(['import', 'a.age'], { database: 'b' })).toMatchObject({
      errors: expect.stringContaining('give --identity-file <file>'),
      code: 1,
    });
    expect(
      await run(['import', 'a.age', ...open], { database: 'b' }),
    ).toMatchObject({ output: expect.stringContaining('2 created'), code: 0 });
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    const csv = `unique_id,secret\njane,${secret}\n`;
    writeFileSync(at('b.age'), armor.encode(await encrypter.encrypt(csv)));
    const format = ['--format', 'csv', '--realm', 'shop'];
    expect(
      await run(['import', 'b.age', ...open, ...format], { database: 'c' }),
    ).toMatchObject({ output: expect.stringContaining('1 created'), code: 0 });

    const cut = readFileSync(at('a.age')).subarray(0, -1);
    writeFileSync(at('cut.age'), cut);
    expect(
      await run(['import', 'cut.age', ...open], { database: 'd' }),
    ).toMatchObject({ errors: expect.stringContaining('cut off'), code: 1 });
  },
  SLOW,
);

it(
  'reports what is refused, and ends with 1',
  async () => {
    const input = jsonLines([
      { unique_id: 'jane', email: 'nobody' },
      { unique_id: 'joe', factors: [{ secret }, { kind: 'hotp' }] },
    ]);
    const args = ['import', '-', '--realm', 'shop', '--dry-run'];
    expect(await run(args, { input })).toMatchObject({
      code: 1,
      errors: expect.stringContaining('There is no database'),
    });
    await run(['realm', 'create', 'shop']);
    const people = await run(args, { input });
    expect(people.code).toBe(1);
    expect(people.output).toContain(
      'Dry run, nothing was changed: 2 users read',
    );
    expect(people.errors).toMatch(
      /^line 1: refused: email must be an e-mail address\nline 2: warning: .*HOTP/m,
    );
    const programs = await run([...args, '--json'], { input });
    expect(JSON.parse(programs.output)).toMatchObject({
      dryRun: true,
      created: 1,
      refused: 1,
    });
    expect(
      programs.errors
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { refused: 'email must be an e-mail address', line: 1 },
      { warning: expect.stringContaining('HOTP'), line: 2 },
    ]);
  },
  SLOW,
);

it.each<[args: string[], sentence: string, code?: number]>([
  [['export', 'x'], 'give either --realm <realm> or --all', 2],
  [
    ['export', 'x', '--all', '--plain', '--passphrase-file', 'y'],
    'give one of --recipient, --passphrase-file and --plain',
    2,
  ],
  [['export', 'x', '--all'], 'The passphrase is missing: give'],
  [
    ['export', 'x', '--all', '--recipient', 'AGE-SECRET-KEY-1'],
    'Recipient 1 must be a public key age1…',
  ],
  [['import', 'x', '--format', 'csv'], 'give --realm <realm>', 2],
  [['import', 'x', '--realm', 'a b'], '--realm must be 1 to 64', 2],
  [
    ['import', '-', '--passphrase-file', '-'],
    'only one of the file and the secrets can come from the standard input',
    2,
  ],
  [
    ['import', '-', '--identity-file', '-'],
    'only one of the file and the secrets can come from the standard input',
    2,
  ],
  [['import', 'missing.jsonl'], 'missing.jsonl cannot be read'],
  [['export', join('missing', 'x'), '--all', '--plain'], 'cannot be written'],
])(
  'says in one sentence what is wrong with %j',
  async (args, sentence, expected = 1) => {
    await run(['realm', 'create', 'shop']);
    const { code, errors, output } = await run(args);
    expect({ code, output }).toEqual({ code: expected, output: '' });
    expect(errors).toMatch(
      /^gauthify-server: .*\n(See gauthify-server \w+ --help\n)?$/,
    );
    expect(errors).toContain(sentence);
  },
  SLOW,
);

it.each([
  ['', 'The CSV file is empty'],
  ['jane,Jane\n', 'must name its columns, separated by commas'],
  ['unique_id;email\njane;a@b.c\n', 'must name its columns'],
])('refuses %j as CSV', async (input, sentence) => {
  const { code, errors, output } = await run(
    ['import', '-', '--format', 'csv', '--realm', 'shop'],
    { input },
  );
  expect([code, output]).toEqual([1, '']);
  expect(errors).toContain(sentence);
});

it(
  'refuses a short passphrase',
  async () => {
    const env = { GAUTHIFY_PASSPHRASE: 'short' };
    const { code, errors } = await run(['export', 'x', '--all'], { env });
    expect(code).toBe(1);
    expect(errors).toContain('at least 12 characters');
    expect(errors).not.toContain('short');
  },
  SLOW,
);

it(
  'leaves rows in the audit log, without names and secrets',
  async () => {
    await importUsers();
    const changed = jsonLines([{ unique_id: 'jane', email: 'j@example.com' }]);
    await run(['import', '-', '--realm', 'shop', '--existing', 'update'], {
      input: changed,
    });
    await run(['export', 'a.jsonl', '--realm', 'shop', '--plain']);
    const { output } = await run(['audit', 'export', 'shop']);
    const rows = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows).toMatchObject([
      { action: 'import', actor: 'cli', details: { created: 2 } },
      { action: 'user.update', actor: 'cli', details: { fields: ['email'] } },
      { action: 'export', actor: 'cli' },
    ]);
    expect(output).not.toMatch(/jane|example/);
    expect(await run(['audit', 'verify'])).toMatchObject({ code: 0 });
  },
  SLOW,
);

it(
  'takes the settings of realms along, and keeps those that are there',
  async () => {
    const env = { DATABASE_URL: 'sqlite:other.sqlite' };
    const shown = async (realm: string, options = {}) =>
      JSON.parse(
        (await run(['realm', 'show', realm, '--json'], options)).output,
      );
    await run(['realm', 'set', 'shop', '--issuer', 'The Shop']);
    await run(['realm', 'set', 'bare', '--country', 'DE']);
    await run(['realm', 'set', 'bare', '--issuer', 'Ours'], { env });
    await run(['realm', 'set', 'keyed', '--issuer', 'Not ours']);
    await run(['key', 'create', 'keyed'], { env });
    await run(['export', 'a.jsonl', '--all', '--plain']);
    const dry = await run(['import', 'a.jsonl', '--dry-run'], { env });
    expect(dry.code).toBe(0);
    expect(dry.errors.split('\n').sort()).toEqual([
      '',
      'Realm "bare" exists: its settings stay as they are',
      'Realm "keyed" exists: its settings stay as they are',
      'Realm "shop" gets the settings issuer',
    ]);
    expect(
      (await run(['realm', 'list', '--json'], { env })).output,
    ).not.toContain('shop');
    expect(await run(['import', 'a.jsonl'], { env })).toMatchObject({
      code: 0,
    });
    expect(await shown('shop', { env })).toMatchObject({
      settings: { issuer: 'The Shop' },
    });
    expect((await shown('bare', { env })).settings).toEqual({ issuer: 'Ours' });
    const wrong = readFileSync(at('a.jsonl'), 'utf8').replace(
      'The Shop',
      'A:B',
    );
    writeFileSync(at('wrong.jsonl'), wrong);
    const refused = await run(['import', 'wrong.jsonl', '--dry-run'], { env });
    expect(refused.code).toBe(1);
    expect(refused.errors).toMatch(
      /^line \d: refused: settings of a realm: .*issuer/m,
    );
  },
  SLOW,
);

it(
  'refuses a plain file where an encrypted one is meant',
  async () => {
    writeFileSync(at('passphrase'), randomBytes(12).toString('base64'));
    writeFileSync(at('users.age'), users());
    const args = ['import', 'users.age', '--realm', 'shop'];
    const refused = await run([...args, '--passphrase-file', 'passphrase']);
    expect(refused).toMatchObject({
      code: 1,
      errors: expect.stringContaining('The file is not encrypted'),
    });
    expect(await run(args)).toMatchObject({ code: 0 });
  },
  SLOW,
);

it('reports every refused line, also to a slow reader', async () => {
  const lines = 20_000;
  writeFileSync(at('bad.jsonl'), '{}\n'.repeat(lines));
  const importing = start(['import', 'bad.jsonl', '--realm', 'shop']);
  const [errors, output, [code]] = await Promise.all([
    text(importing.stderr),
    text(importing.stdout),
    once(importing, 'close'),
  ]);
  const refused = errors.split('\n').filter((line) => /refused/.test(line));
  expect(refused).toHaveLength(lines);
  expect(output).toContain(`${lines} refused`);
  expect(code).toBe(1);
});

it('leaves no file behind when nobody reads what it says', async () => {
  await importUsers();
  const env = { GAUTHIFY_PASSPHRASE: randomBytes(12).toString('base64') };
  const exporting = start(['export', 'a.age', '--all'], env);
  exporting.stderr.destroy();
  exporting.stdout.destroy();
  const [code] = await once(exporting, 'exit');
  expect([
    code,
    readdirSync(folder).filter((name) => /part/.test(name)),
  ]).toEqual([141, []]);
});

it('leaves no file behind when it is interrupted', async () => {
  await importUsers();
  const changed = watch(folder);
  const env = { GAUTHIFY_PASSPHRASE: randomBytes(12).toString('base64') };
  const exporting = start(['export', 'a.age', '--all'], env);
  const ended = once(exporting, 'close');
  // To make a key of the passphrase takes seconds; the file is there before.
  for await (const { filename } of changed) if (/part$/.test(filename!)) break;
  exporting.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
  expect(readdirSync(folder).filter((name) => /age/.test(name))).toEqual([]);
});
