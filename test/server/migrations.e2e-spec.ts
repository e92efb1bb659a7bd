import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Migrator } from 'kysely';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  oneTimePass,
  stepAt,
  toBase32,
  totpCode,
} from '../../lib/server/factors/otp.js';
import type { Database, Queries } from '../../lib/server/store/database.js';
import { FactorSecrets } from '../../lib/server/store/factor-secrets.js';
import { derivedKeys } from '../../lib/server/store/data-keys.js';
import { createEncryptionKey } from '../../lib/server/store/key-file.js';
import { Keyring } from '../../lib/server/store/keyring.js';
import { MIGRATIONS } from '../../lib/server/store/migrations.js';
import { openDatabase } from '../../lib/server/store/open-database.js';
import { randomToken, sha256 } from '../../lib/server/store/random.js';
import { reseal } from '../../lib/server/store/reseal.js';
import { SqliteDatabase } from '../../lib/server/store/sqlite-database.js';
import {
  loadSqliteDriver,
  type SqliteConnection,
} from '../../lib/server/store/sqlite-driver.js';
import { call, check, createUser } from '../helpers/api.js';

let folder: string;
let file: string;
let database: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  file = join(folder, 'gauthify.sqlite');
  database = `sqlite:${file}`;
});
afterEach(() => rmSync(folder, { recursive: true }));

/** By hand, as someone who can write to the file. */
async function byHand<T>(work: (db: SqliteConnection) => T): Promise<T> {
  const connection = (await loadSqliteDriver()).open(file, false);
  try {
    return work(connection);
  } finally {
    connection.close();
  }
}

const exec = (sql: string) => byHand((db) => db.exec(sql));

const all = <Row>(sql: string, parameters: unknown[] = []) =>
  byHand((db) => db.prepare(sql).all(parameters) as Row[]);

/** What 0.1.0 stored of a user. */
interface OldUser {
  id: string;
  unique_id: string;
  totp: Buffer;
  otp: Buffer;
  last_step: number;
  otp_counter: number;
}

/** A database as 0.1.0 left it, with its key file. */
async function oldDatabase(users: number, keyId?: string) {
  const until0003 = async (db: Queries) => {
    const { error } = await new Migrator({
      db,
      provider: { getMigrations: async () => MIGRATIONS },
    }).migrateTo('0003_enrolled');
    if (error) throw error as Error;
  };
  await (await SqliteDatabase.open(file, until0003)).close();
  const random = createEncryptionKey();
  const key = { ...random, id: keyId ?? random.id };
  writeFileSync(`${file}.key`, `${key.id}:${key.key}\n`, { mode: 0o600 });
  const keyring = new Keyring(derivedKeys(key));
  const apiKey = randomBytes(16).toString('hex');
  const token = `gat${randomToken()}`;
  const made = Array.from({ length: users }, (_, i): OldUser => {
    const isEnrolled = i % 2 === 0;
    return {
      id: randomUUID(),
      unique_id: `old-${i}`,
      totp: randomBytes(20),
      otp: randomBytes(20),
      // The code of this moment is used.
      last_step: isEnrolled ? stepAt(Date.now()) : 0,
      otp_counter: i % 7,
    };
  });
  await byHand((db) => {
    const insert = db.prepare(
      `insert into users (id, realm, unique_id, display_name, email, totp_secret, last_step,
         otp_secret, otp_counter, failures, next_attempt_at, created_at, enrolled)
       values (?, 'shop', ?, 'Old', null, ?, ?, ?, ?, 0, 0, ?, ?)`,
    );
    db.exec('begin');
    made.forEach((user, i) =>
      insert.run([
        user.id,
        user.unique_id,
        keyring.seal(user.totp, `users\n${user.id}\ntotp_secret`),
        user.last_step,
        keyring.seal(user.otp, `users\n${user.id}\notp_secret`),
        user.otp_counter,
        1_700_000_000_000 + i,
        user.last_step > 0 ? 1 : 0,
      ]),
    );
    db.prepare('insert into api_keys values (?, ?, ?)').run([
      sha256(apiKey),
      'shop',
      Date.now(),
    ]);
    db.prepare('insert into tokens values (?, ?, ?)').run([
      sha256(token),
      made[0]!.id,
      Date.now() + 600_000,
    ]);
    db.exec('commit');
  });
  return { users: made, apiKey, token, keyring };
}

/** The server on the database, and calls with a key that was stored. */
async function start(apiKey: string) {
  const server = await GAuthifyTestServer.start({ database });
  const old = { accessPoint: server.accessPoint, apiKey } as GAuthifyTestServer;
  return { server, old };
}

it('carries 10,000 users of 0.1.0 over: keys, one-time passes, enrolments, used codes, and the API key', async () => {
  const { users, apiKey } = await oldDatabase(10_000);
  const { server, old } = await start(apiKey);
  try {
    const { body } = await call(old, 'GET', 'users/');
    const shown = new Map<string, any>(
      body.data.map((user: any) => [user.unique_id, user]),
    );
    expect(shown.size).toBe(10_000);
    const different = users.filter(({ unique_id, ...user }) => {
      const now = shown.get(unique_id);
      return (
        now.key !== toBase32(user.totp) ||
        now.otp !== oneTimePass(user.otp, user.otp_counter) ||
        now.enrolled !== user.last_step > 0
      );
    });
    expect(different).toEqual([]);
    const [enrolled, other] = users as [OldUser, OldUser];
    const codeAt = (user: OldUser, step: number) => totpCode(user.totp, step);
    // Used before the migration, and the next one is not.
    expect(
      await check(
        old,
        enrolled.unique_id,
        codeAt(enrolled, enrolled.last_step),
      ),
    ).toMatchObject({ authenticated: false });
    expect(
      await check(
        old,
        enrolled.unique_id,
        codeAt(enrolled, enrolled.last_step + 1),
      ),
    ).toMatchObject({ authenticated: true, method: 'totp' });
    expect(
      await check(
        old,
        other.unique_id,
        oneTimePass(other.otp, other.otp_counter),
      ),
    ).toMatchObject({ authenticated: true, method: 'otp' });
  } finally {
    await server.close();
  }
  // Nothing that 0.1.0 sealed or hashed is left.
  expect(
    await all(
      "select 'factor' from factors where secret not like '2:%' union all select 'key' from api_keys where length(hash) = 64",
    ),
  ).toEqual([]);
}, 120_000);

it('carries over what was sealed with a key whose id is a number', async () => {
  const { users, apiKey } = await oldDatabase(2, '2');
  const { server, old } = await start(apiKey);
  try {
    const { body } = await call(old, 'GET', 'users/');
    expect(body.data.map((user: any) => user.key)).toEqual(
      users.map(({ totp }) => toBase32(totp)),
    );
  } finally {
    await server.close();
  }
});

it('is not spoiled by a start with other keys', async () => {
  const { users, apiKey } = await oldDatabase(2);
  const encryptionKeys = [createEncryptionKey()];
  await expect(
    GAuthifyTestServer.start({ database, encryptionKeys }),
  ).rejects.toThrow(/encrypted with other keys/);
  const { server, old } = await start(apiKey);
  const { body } = await call(old, 'GET', 'users/');
  expect(body.data).toHaveLength(users.length);
  await server.close();
});

it('goes on with resealing where it was interrupted', async () => {
  const { users, apiKey, keyring } = await oldDatabase(500);
  const db = await openDatabase(database);
  // Stops between two batches, as a process that is killed.
  let units = 0;
  const killed = {
    unit: (work: Parameters<Database['unit']>[0]) => {
      units += 1;
      if (units === 3) throw new Error('killed');
      return db.unit(work);
    },
  } as Database;
  await expect(
    reseal(killed, keyring, new FactorSecrets(keyring)),
  ).rejects.toThrow('killed');
  await db.close();
  const left = "select count(*) as n from factors where secret not like '2:%'";
  const [{ n }] = (await all<{ n: number }>(left)) as [{ n: number }];
  expect(n).toBeGreaterThan(0);
  expect(n).toBeLessThan(1000);
  const { server, old } = await start(apiKey);
  try {
    expect(await all(left)).toEqual([expect.objectContaining({ n: 0 })]);
    const { body } = await call(old, 'GET', 'users/');
    expect(body.data.map((user: any) => user.key)).toEqual(
      users.map(({ totp }) => toBase32(totp)),
    );
  } finally {
    await server.close();
  }
});

it('refuses what is inserted by hand afterwards: the hash of an API key, an old seal, a token', async () => {
  const { users, apiKey, keyring } = await oldDatabase(2);
  const first = await start(apiKey);
  // The old key works once the hashes are renewed.
  expect((await call(first.old, 'GET', 'users/')).status).toBe(200);
  await first.server.close();

  const made = randomBytes(16).toString('hex');
  const token = `gat${randomToken()}`;
  const [victim] = users as [OldUser];
  const known = randomBytes(20);
  await byHand((db) => {
    db.prepare(
      'insert into api_keys (hash, realm, created_at) values (?, ?, ?)',
    ).run([sha256(made), 'shop', 0]);
    db.prepare(
      "insert into tokens (hash, user_id, expires_at, epoch, method) select ?, id, ?, epoch, 'totp' from users where id = ?",
    ).run([sha256(token), Date.now() + 60_000, victim.id]);
    // A seal of the old kind, from a backup, say.
    db.prepare(
      "update factors set secret = ? where id = ? and kind = 'totp'",
    ).run([keyring.seal(known, `users\n${victim.id}\ntotp_secret`), victim.id]);
  });
  const { server, old } = await start(apiKey);
  try {
    const forged = { ...old, apiKey: made } as GAuthifyTestServer;
    expect((await call(forged, 'GET', 'users/')).status).toBe(401);
    expect(await call(old, 'POST', 'token/', { token })).toMatchObject({
      status: 404,
      body: { error_code: 'token_not_found' },
    });
    const forgedCode = totpCode(known, stepAt(Date.now()));
    expect(
      await call(old, 'POST', 'check/', {
        unique_id: victim.unique_id,
        auth_code: forgedCode,
      }),
    ).toMatchObject({ status: 500 });
  } finally {
    await server.close();
  }
});

it('authenticates nobody whose unique_id was swapped with that of another user', async () => {
  const server = await GAuthifyTestServer.start({ database });
  try {
    const [a, b] = [await createUser(server), await createUser(server)];
    await exec(`
      update users set unique_id = 'swap' where unique_id = '${a.unique_id}';
      update users set unique_id = '${a.unique_id}' where unique_id = '${b.unique_id}';
      update users set unique_id = '${b.unique_id}' where unique_id = 'swap';
    `);
    for (const { unique_id } of [a, b])
      for (const { key, otp } of [a, b])
        for (const auth_code of [server.totp(key), otp])
          expect(
            await call(server, 'POST', 'check/', { unique_id, auth_code }),
          ).toMatchObject({ status: 500, body: { error_code: '500' } });
    expect((await call(server, 'GET', `users/${a.unique_id}/`)).status).toBe(
      500,
    );
  } finally {
    await server.close();
  }
});

it('does not start if the row of `seals` was deleted beside new seals', async () => {
  const before = await GAuthifyTestServer.start({ database });
  await createUser(before);
  await before.close();
  await exec('delete from seals');
  await expect(GAuthifyTestServer.start({ database })).rejects.toMatchObject({
    name: 'StartError',
    message:
      'The table "seals" of the database was altered: restore the database from a backup',
  });
});

it('leaves nothing behind if a migration fails', async () => {
  await oldDatabase(3);
  await exec(
    "create trigger broken before update on users begin select raise(abort, 'power cut'); end",
  );
  await expect(openDatabase(database)).rejects.toMatchObject({
    name: 'StartError',
    message: expect.stringContaining('power cut'),
  });
  const applied = 'select name from kysely_migration order by name';
  expect(
    (await all<{ name: string }>(applied)).map(({ name }) => name),
  ).toEqual(['0001_initial', '0002_idempotency', '0003_enrolled']);
  await exec('drop trigger broken');
  const db = await openDatabase(database);
  expect(
    await db.read
      .selectFrom('users')
      .select(['unique_id', 'enrolled'])
      .orderBy('unique_id')
      .execute(),
  ).toEqual([
    { unique_id: 'old-0', enrolled: 1 },
    { unique_id: 'old-1', enrolled: 0 },
    { unique_id: 'old-2', enrolled: 1 },
  ]);
  await db.close();
});

it('accepts a token that 0.1.0 issued, once, and answers the method null', async () => {
  const { users, apiKey, token } = await oldDatabase(2);
  const { server, old } = await start(apiKey);
  try {
    const redeem = () => call(old, 'POST', 'token/', { token });
    expect((await redeem()).body.data).toMatchObject({
      unique_id: users[0]!.unique_id,
      method: null,
    });
    expect((await redeem()).status).toBe(404);
  } finally {
    await server.close();
  }
});
