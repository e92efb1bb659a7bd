import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { openDatabase } from '../../lib/server/store/open-database.js';
import { call, createUser, ezToken } from '../helpers/api.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('leaves nothing behind if a migration fails', async () => {
  const file = join(folder, 'gauthify.sqlite');
  await (await openDatabase(`sqlite:${file}`)).close();
  // As the version before left it, and with something that breaks its second statement.
  const sqlite = new BetterSqlite3(file);
  sqlite.exec(`
    alter table users drop column wrong_codes_until;
    drop index tokens_expires_at;
    alter table users drop column epoch;
    alter table tokens drop column epoch;
    alter table tokens drop column method;
    alter table users drop column enrolled;
    delete from kysely_migration where name >= '0003';
    insert into users values ('1', 'a', 'jane', 'Jane', null, null, null, null, '', 5, '', 0, 0, 0, 0);
    create trigger broken before update on users begin select raise(abort, 'power cut'); end;
  `);
  await expect(openDatabase(`sqlite:${file}`)).rejects.toMatchObject({
    name: 'StartError',
    message: expect.stringContaining('power cut'),
  });
  sqlite.exec('drop trigger broken');
  const db = await openDatabase(`sqlite:${file}`);
  expect(
    await db.read
      .selectFrom('users')
      .select(['unique_id', 'enrolled'])
      .execute(),
  ).toEqual([{ unique_id: 'jane', enrolled: 1 }]);
  await db.close();
  sqlite.close();
});

it('accepts a token issued before tokens had a method, and answers the method null', async () => {
  const file = join(folder, 'gauthify.sqlite');
  const database = `sqlite:${file}`;
  const before = await GAuthifyTestServer.start({ database });
  const user = await createUser(before);
  const token = await ezToken(user, before.totp(user.key));
  await before.close();
  const sqlite = new BetterSqlite3(file);
  sqlite.exec(`
    alter table tokens drop column method;
    delete from kysely_migration where name >= '0006';
  `);
  sqlite.close();
  const after = await GAuthifyTestServer.start({ database });
  const { body } = await call(after, 'POST', 'token/', { token });
  expect(body.data).toMatchObject({ unique_id: user.unique_id, method: null });
  await after.close();
});
