/** Backup and restore, as docs/operations.md says. */
import 'reflect-metadata';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { check, createUser } from '../helpers/api.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('a copy made under load has every user that was answered before, and no code of theirs works twice', async () => {
  const file = join(folder, 'gauthify.sqlite');
  const server = await GAuthifyTestServer.start({ database: `sqlite:${file}` });
  const [used, unused] = [await createUser(server), await createUser(server)];
  const code = server.totp(used.key);
  expect(await check(server, used.unique_id, code)).toMatchObject({
    authenticated: true,
  });
  let isOver = false;
  const load = (async () => {
    while (!isOver) await createUser(server);
  })();
  const elsewhere = join(folder, 'restored');
  mkdirSync(elsewhere);
  const copy = join(elsewhere, 'gauthify.sqlite');
  const sqlite = new BetterSqlite3(file);
  sqlite.exec(`vacuum into '${copy}'`);
  sqlite.close();
  copyFileSync(`${file}.key`, `${copy}.key`);
  isOver = true;
  await load;
  await server.close();

  const restored = await GAuthifyTestServer.start({
    database: `sqlite:${copy}`,
  });
  expect(await check(restored, used.unique_id, code)).toMatchObject({
    authenticated: false,
  });
  for (const [user, pass] of [
    [used, used.otp],
    [unused, restored.totp(unused.key)],
  ])
    expect(await check(restored, user.unique_id, pass)).toMatchObject({
      authenticated: true,
    });
  await restored.close();
});

it('a copy without its key file does not start', async () => {
  const file = join(folder, 'gauthify.sqlite');
  const server = await GAuthifyTestServer.start({ database: `sqlite:${file}` });
  await createUser(server);
  await server.close();
  rmSync(`${file}.key`);
  await expect(
    GAuthifyTestServer.start({ database: `sqlite:${file}` }),
  ).rejects.toThrow(/key file .* is missing/);
});
