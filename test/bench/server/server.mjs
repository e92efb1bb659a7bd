/**
 * The server against a bare route, the limit and a peer: the load comes from
 * another process, every code is right and fresh, and every answer is counted.
 *
 * Run by `npm run bench:server`, after a build. `POSTGRES_URL` names an existing
 * PostgreSQL; without it, one is started. `BENCH_CHECKS`: checks per row (12,000).
 * `BENCH_ONLY`: rows whose names contain it. `BENCH_MILLION=1` adds a row with
 * 1,000,000 users, all of whom are then listed (minutes, and a gigabyte of disk). `BENCH_NODE_OPTIONS`: options of the measured process (--cpu-prof).
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { startPostgres } from './postgres.mjs';
import { bodiesOf, createLimitUsers, createServerUsers } from './users.mjs';

const CHECKS = Number(process.env.BENCH_CHECKS ?? 12_000);
const ONLY = process.env.BENCH_ONLY ?? '';
const USERS = Math.ceil(CHECKS / 2);
const IN_FLIGHT = 32;
const WARM_UP = 1_500;
const MILLION = 1_000_000;

const here = (name) => new URL(name, import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'gauthify-bench-'));
const apiKey = randomBytes(20).toString('hex');
const encryptionKey = randomBytes(32).toString('base64');
let databases = 0;
const sqlite = async () => `sqlite:${join(folder, `${++databases}.sqlite`)}`;

async function startTarget(kind, database) {
  const child = fork(
    here('target.mjs'),
    [kind, database, apiKey, encryptionKey],
    {
      execArgv: (process.env.BENCH_NODE_OPTIONS ?? '')
        .split(' ')
        .filter(Boolean),
    },
  );
  const [{ port, path, headers, body }] = await once(child, 'message');
  return {
    url: `http://127.0.0.1:${port}${path ?? (kind === 'gauthify' ? '/v1/check/' : '/v1/check')}`,
    headers: headers ?? { authorization: apiKey },
    body,
    usage: async () => {
      child.send('usage');
      return (await once(child, 'message'))[0];
    },
    stop: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

async function load(job) {
  const child = fork(here('load.mjs'));
  child.send({ inFlight: IN_FLIGHT, headers: {}, ...job });
  return (await once(child, 'message'))[0];
}

/** Lists all users, and returns the most memory that it took. */
async function listAll({ url, headers, usage }) {
  const list = await fetch(new URL('../users/', url), { headers });
  let bytes = 0;
  let most = await usage();
  for await (const chunk of list.body) {
    bytes += chunk.length;
    if (bytes % 997 === 0) {
      const now = await usage();
      if (now.rss > most.rss) most = now;
    }
  }
  const now = await usage();
  process.stderr.write(`listed ${Math.round(bytes / 1e6)} MB\n`);
  return now.rss > most.rss ? now : most;
}

/** One row of the table. */
async function measure({
  name,
  kind,
  database,
  instances = 1,
  withKeys = false,
  userCount = Math.max(USERS, WARM_UP),
}) {
  const url = kind === 'bare' ? '' : await database();
  const users =
    kind === 'gauthify'
      ? await createServerUsers(url, encryptionKey, userCount)
      : kind === 'limit'
        ? await createLimitUsers(url, Math.max(USERS, WARM_UP))
        : Array.from({ length: USERS }, (_, i) => ({
            unique_id: `user-${i}`,
            secret: new Uint8Array(20),
          }));
  const targets = [];
  for (let i = 0; i < instances; i++)
    targets.push(await startTarget(kind, url));
  const [{ headers, body }] = targets;
  const urls = targets.map((target) => target.url);
  const bodies = body
    ? // The code is valid for half a minute.
      Array.from({ length: Math.min(CHECKS, 4_000) }, () => body)
    : bodiesOf(users, CHECKS);
  const warmUp = bodies.splice(0, WARM_UP);
  await load({ urls, bodies: warmUp, headers, withKeys });
  const before = await Promise.all(targets.map((target) => target.usage()));
  const result = await load({ urls, bodies, headers, withKeys });
  const after = await Promise.all(targets.map((target) => target.usage()));
  if (userCount === MILLION) after.push(await listAll(targets[0]));
  for (const target of targets) await target.stop();
  const cpuUs = before.reduce((sum, u, i) => sum + after[i].cpuUs - u.cpuUs, 0);
  return {
    name,
    ...result,
    cpuUs: cpuUs / result.sent,
    rss: Math.max(...after.map(({ rss }) => rss)),
  };
}

const postgres =
  ONLY && !'PostgreSQL'.includes(ONLY) ? undefined : await startPostgres();
const rows = [
  { name: 'bare Nest and Fastify route', kind: 'bare' },
  { name: 'the limit, SQLite', kind: 'limit', database: sqlite },
  { name: 'this server, SQLite', kind: 'gauthify', database: sqlite },
  {
    name: 'this server, SQLite, Idempotency-Key',
    kind: 'gauthify',
    database: sqlite,
    withKeys: true,
  },
  ...(process.env.BENCH_MILLION
    ? [
        {
          name: 'this server, SQLite, 1,000,000 users',
          kind: 'gauthify',
          database: sqlite,
          userCount: MILLION,
        },
      ]
    : []),
  { name: 'better-auth, SQLite', kind: 'better-auth', database: sqlite },
  ...(postgres
    ? [
        {
          name: 'the limit, PostgreSQL',
          kind: 'limit',
          database: postgres.create,
        },
        {
          name: 'this server, PostgreSQL',
          kind: 'gauthify',
          database: postgres.create,
        },
        {
          name: 'this server, PostgreSQL, two instances',
          kind: 'gauthify',
          database: postgres.create,
          instances: 2,
        },
      ]
    : []),
].filter(({ kind, name }) => kind === 'bare' || name.includes(ONLY));

const results = [];
try {
  for (const row of rows) {
    const result = await measure(row);
    if (result.right !== result.sent)
      throw new Error(
        `${row.name}: ${result.right} of ${result.sent} answers were right: ${result.wrong}`,
      );
    results.push(result);
    process.stderr.write(`${row.name}: ${Math.round(result.perSecond)}/s\n`);
  }
} finally {
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
}

const [bare] = results;
const limitOf = (name) =>
  results.find(
    (row) =>
      row.name ===
      `the limit, ${name.includes('PostgreSQL') ? 'PostgreSQL' : 'SQLite'}`,
  );
console.log(
  `${CHECKS} checks a row, ${IN_FLIGHT} in flight, Node ${process.version}, ${cpus().length} × ${cpus()[0].model}, ${new Date().toISOString().slice(0, 10)}\n`,
);
console.log(
  '|  | req/s | p50 ms | p99 ms | CPU µs | RSS MB | × bare | × limit |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
);
for (const row of results) {
  const limit = limitOf(row.name);
  console.log(
    `| ${row.name} | ${Math.round(row.perSecond)} | ${row.p50} | ${row.p99} | ${Math.round(row.cpuUs)} | ${Math.round(row.rss / 1e6)} | ${(row.perSecond / bare.perSecond).toFixed(2)} | ${limit && row !== bare ? (row.perSecond / limit.perSecond).toFixed(2) : ''} |`,
  );
}
