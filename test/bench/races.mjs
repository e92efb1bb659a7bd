/**
 * That a code is accepted once: 50 parallel requests with one code, over one or
 * two processes on one database, round after round; then the same while `kill -9`
 * hits a process, which is started again and asked for the same code.
 *
 * Run by `npm run prove:races`, after a build. `PROVE_ROUNDS`: rounds of each kind
 * of code (1,000). `PROVE_KILLS`: rounds of each kind in which a process is killed
 * (a tenth of that). `PROVE_ONLY`: databases whose names contain it; `PROVE_CODE`:
 * the kind of code that it names. `POSTGRES_URL` names an existing PostgreSQL;
 * without it, one is started.
 *
 * Prints a table, and fails if a code was accepted twice, if without a kill it was
 * not accepted, or if a user is missing whose creation was answered.
 */
import { fork } from 'node:child_process';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Secret, TOTP } from 'otpauth';

const ROUNDS = Number(process.env.PROVE_ROUNDS ?? 1_000);
const KILLS = Number(process.env.PROVE_KILLS ?? Math.ceil(ROUNDS / 10));
const ONLY = process.env.PROVE_ONLY ?? '';
const CODE = process.env.PROVE_CODE;
const REQUESTS = 50;
/** Users that are created while a process is killed. */
const CREATED = 10;

const apiKey = randomBytes(20).toString('hex');
const encryptionKey = randomBytes(32).toString('base64');
const folder = mkdtempSync(join(tmpdir(), 'gauthify-races-'));
const messages = new EventEmitter();

async function startInstance(database) {
  const child = fork(new URL('races-instance.mjs', import.meta.url).pathname, [
    database,
    apiKey,
    encryptionKey,
  ]);
  const started = once(messages, child.pid);
  child.on('message', ({ url, message }) => {
    if (url) messages.emit(child.pid, url);
    else messages.emit(message.to, /\d{6}/.exec(message.text)[0]);
  });
  child.once('exit', () => messages.emit(child.pid, undefined));
  const [url] = await started;
  if (!url) throw new Error('An instance did not start');
  return { url, child };
}

async function stopInstance({ child }) {
  child.disconnect();
  await once(child, 'exit');
}

/** The `data` of an answer; `undefined` if there is none. */
async function post({ url }, path, params) {
  try {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { authorization: apiKey },
      body: new URLSearchParams(params),
    });
    return (await response.json()).data;
  } catch {
    return undefined;
  }
}

const KINDS = {
  totp: ({ key }) => new TOTP({ secret: Secret.fromBase32(key) }).generate(),
  otp: ({ otp }) => otp,
  recovery: async ({ unique_id }, instance) =>
    (await post(instance, `users/${unique_id}/recovery_codes/`, {}))
      .recovery_codes[0],
  email: async ({ unique_id, email }, instance) => {
    const code = once(messages, email);
    await post(instance, 'email/', { unique_id });
    return (await code)[0];
  },
};

async function newUser(instance) {
  const unique_id = randomUUID();
  return await post(instance, 'users/', {
    unique_id,
    display_name: 'Jane',
    email: `${unique_id}@example.com`,
  });
}

/** How many of many requests at the same moment are let in. */
async function letIn(instances, count, { unique_id }, auth_code) {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      post(instances[i % instances.length], 'check/', { unique_id, auth_code }),
    ),
  );
  return answers.filter((answer) => answer?.authenticated === true).length;
}

async function race(instances, kind) {
  const user = await newUser(instances[0]);
  const code = await KINDS[kind](user, instances[0]);
  return { accepted: await letIn(instances, REQUESTS, user, code), missing: 0 };
}

async function raceAndKill(instances, kind, database) {
  const user = await newUser(instances[0]);
  const code = await KINDS[kind](user, instances[0]);
  const victim = randomInt(instances.length);
  const { child } = instances[victim];
  const first = letIn(instances, REQUESTS, user, code);
  const creations = Array.from({ length: CREATED }, () =>
    newUser(instances[victim]),
  );
  await delay(randomInt(60));
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  const created = (await Promise.all(creations)).filter(Boolean);
  const accepted = await first;
  instances[victim] = await startInstance(database);
  // Accepted before, but not answered: then the code is used all the same.
  const again = await letIn(instances, 2 * instances.length, user, code);
  let missing = 0;
  for (const { unique_id } of created) {
    const { status } = await fetch(
      `${instances[victim].url}users/${unique_id}/`,
      { headers: { authorization: apiKey } },
    );
    if (status !== 200) missing += 1;
  }
  return { accepted: accepted + again, missing };
}

async function prove(name, database, count) {
  const instances = [];
  // One after the other: test/server/instances.e2e-spec.ts starts two at once.
  for (let i = 0; i < count; i++) instances.push(await startInstance(database));
  const rows = [];
  for (const [act, rounds, isKilled] of [
    [race, ROUNDS, false],
    [raceAndKill, KILLS, true],
  ])
    for (const kind of CODE ? [CODE] : Object.keys(KINDS)) {
      const row = {
        name,
        kind,
        isKilled,
        one: 0,
        none: 0,
        more: 0,
        missing: 0,
      };
      for (let round = 0; round < rounds; round++) {
        const { accepted, missing } = await act(instances, kind, database);
        row[accepted === 1 ? 'one' : accepted === 0 ? 'none' : 'more'] += 1;
        row.missing += missing;
      }
      rows.push(row);
      process.stderr.write(`${JSON.stringify(row)}\n`);
    }
  for (const instance of instances) await stopInstance(instance);
  return rows;
}

let postgres;
async function postgresUrl() {
  postgres ??= fork(
    new URL('../helpers/postgres-process.mjs', import.meta.url).pathname,
  );
  const [broker] = await once(postgres, 'message');
  const { url, reason, error } = await (
    await fetch(broker, { method: 'POST' })
  ).json();
  if (!url) throw new Error(reason ?? error);
  return url;
}

const SETUPS = [
  ['SQLite, one process', 1, async () => `sqlite:${join(folder, '1.sqlite')}`],
  [
    'SQLite, two processes',
    2,
    async () => `sqlite:${join(folder, '2.sqlite')}`,
  ],
  ['PostgreSQL, two instances', 2, postgresUrl],
].filter(([name]) => name.includes(ONLY));

const rows = [];
try {
  for (const [name, count, urlOf] of SETUPS)
    rows.push(...(await prove(name, await urlOf(), count)));
} finally {
  if (postgres) await stopInstance({ child: postgres });
  rmSync(folder, { recursive: true, force: true });
}
console.log(
  `${REQUESTS} requests a round, Node ${process.version}, ${cpus().length} × ${cpus()[0].model}, ${new Date().toISOString().slice(0, 10)}\n`,
);
console.log(
  '| database | code | `kill -9` | rounds | exactly one | none | two or more | users missing |\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |',
);
for (const { name, kind, isKilled, one, none, more, missing } of rows)
  console.log(
    `| ${name} | ${kind} | ${isKilled ? 'yes' : 'no'} | ${one + none + more} | ${one} | ${none} | ${more} | ${missing} |`,
  );
const isProven = rows.every(
  ({ isKilled, none, more, missing }) =>
    more === 0 && missing === 0 && (isKilled || none === 0),
);
if (!isProven) process.exitCode = 1;
