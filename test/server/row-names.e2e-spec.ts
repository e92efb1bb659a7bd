/** What is stored for one user is never accepted from another. */
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { check, createUser } from '../helpers/api.js';

const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
const file = join(folder, 'db.sqlite');
let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start({ database: `sqlite:${file}` });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

it('A row that a changed database gives for another name is of no use', async () => {
  const mallory = await createUser(server, { unique_id: 'JANE' });
  ignoreCase();
  for (const code of [server.totp(mallory.key), mallory.otp]) {
    const answer = await check(server, 'jane', code);
    expect(answer).not.toMatchObject({ authenticated: true });
  }
  expect(await check(server, 'JANE', mallory.otp)).toMatchObject({
    authenticated: true,
  });
});

/** Makes "jane" find "JANE". */
function ignoreCase(): void {
  const db = new Sqlite(file);
  const { sql } = db
    .prepare("select sql from sqlite_master where name = 'users'")
    .get() as { sql: string };
  db.exec('pragma foreign_keys = off');
  db.exec(`
    begin;
    ${sql
      .replace('"users"', '"changed"')
      .replace('"unique_id" varchar(255)', '$& collate nocase')};
    insert into changed select * from users;
    drop table users;
    alter table changed rename to users;
    commit`);
  db.close();
}
