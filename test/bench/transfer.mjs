/**
 * Users in and out by the program, on SQLite: a file with the random ids of a server
 * is imported, exported encrypted, imported into a second database, and exported
 * again. Both exports must be equal.
 *
 *     npm run prove:transfer -- [users]
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  Decrypter,
  generateX25519Identity,
  identityToRecipient,
} from 'age-encryption';
import { Secret } from 'otpauth';

const users = Number(process.argv[2] ?? 1_000_000);
const folder = await mkdtemp(join(tmpdir(), 'gauthify-transfer-'));
const at = (name) => join(folder, name);
/** Each database has keys of its own. */
const keys = Object.fromEntries(
  ['a.sqlite', 'b.sqlite'].map((database) => [
    database,
    `bench:${randomBytes(32).toString('base64')}`,
  ]),
);
const base32 = () =>
  new Secret({ buffer: new Uint8Array(randomBytes(20)).buffer }).base32;

function* lines() {
  for (let i = 0; i < users; i++) {
    const user = {
      id: randomUUID(),
      unique_id: `user-${i}`,
      display_name: `User ${i}`,
      email: `user-${i}@example.com`,
      sms_number: `+1916262${String(i % 10_000).padStart(4, '0')}`,
      meta: { number: i, plan: i % 2 ? 'plus' : 'free' },
      factors: [
        { id: randomUUID(), secret: base32() },
        { id: randomUUID(), kind: 'otp', secret: base32() },
      ],
    };
    if (i % 10 === 0) user.factors.push({ secret: base32(), digits: 8 });
    if (i % 100 === 0) user.failures = i % 99;
    if (i % 20 === 0) user.recovery_codes = ['abcde-fghij', 'klmno-pqrst'];
    yield `${JSON.stringify(user)}\n`;
  }
}

/** Runs the program, and prints how long it took and how much memory. */
async function run(name, database, ...args) {
  const begin = performance.now();
  const child = spawn(
    process.execPath,
    [resolve('dist/server/cli/main.js'), ...args, '--json'],
    {
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: `sqlite:${at(database)}`,
        GAUTHIFY_ENCRYPTION_KEYS: keys[database],
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let peak = 'unknown';
  let cpuSeconds = 0;
  const poll = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      const kib = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(' ');
      // Of the kernel's clock, 100 a second.
      cpuSeconds = (Number(stat[13]) + Number(stat[14])) / 100;
      if (kib > 0) peak = `${Math.round(kib / 1024)} MiB`;
    } catch {
      // Not Linux, or the program has ended.
    }
  }, 50);
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  const code = await new Promise((done) => child.on('close', done));
  clearInterval(poll);
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${out}`);
  const seconds = (performance.now() - begin) / 1000;
  console.log(
    `${name}: ${seconds.toFixed(1)} s, ${Math.round(users / seconds)} users/s, ${cpuSeconds.toFixed(0)} s of a processor, at most ${peak} of memory`,
  );
  return JSON.parse(out);
}

async function hashOf(content) {
  const hash = createHash('sha256');
  await pipeline(content, hash);
  return hash.digest('hex');
}

async function decrypted(file, identity) {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const stream = Readable.toWeb(createReadStream(file));
  return Readable.fromWeb(await decrypter.decrypt(stream));
}

try {
  await pipeline(Readable.from(lines()), createWriteStream(at('users.jsonl')));
  const identity = await generateX25519Identity();
  await writeFile(at('identity'), identity, { mode: 0o600 });
  const recipient = await identityToRecipient(identity);
  const first = await run(
    'import',
    'a.sqlite',
    'import',
    at('users.jsonl'),
    '--realm',
    'shop',
  );
  await run(
    'encrypted export',
    'a.sqlite',
    'export',
    at('a.age'),
    '--all',
    '--recipient',
    recipient,
  );
  const second = await run(
    'import of the encrypted export',
    'b.sqlite',
    'import',
    at('a.age'),
    '--identity-file',
    at('identity'),
  );
  await run(
    'second export, plain',
    'b.sqlite',
    'export',
    at('b.jsonl'),
    '--all',
    '--plain',
  );
  const { size } = await stat(at('b.jsonl'));
  console.log(`an export of ${Math.round(size / 1e6)} MB`);
  const isEqual =
    (await hashOf(await decrypted(at('a.age'), identity))) ===
    (await hashOf(createReadStream(at('b.jsonl'))));
  if (!isEqual || first.created !== users || second.created !== users)
    throw new Error('The second export is not the first');
  console.log(`${users} users: the second export equals the first`);
} finally {
  await rm(folder, { recursive: true });
}
