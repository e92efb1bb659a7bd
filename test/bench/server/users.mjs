/** Users of the measured servers, and the statements of the limit. */
import { createCipheriv, randomBytes, randomUUID } from 'node:crypto';
import BetterSqlite3 from 'better-sqlite3';
import { Secret, TOTP } from 'otpauth';
import pg from 'pg';

export const isPostgres = (database) => database.startsWith('postgres');
export const fileOf = (database) => database.replace(/^sqlite:/, '');

/** Bodies of `POST check/` with right codes that nobody has used: two for each user, the older one first. */
export function bodiesOf(users, count) {
  const bodies = [];
  // Not of the step before: its codes could expire during the run.
  for (const shift of [0, 1])
    for (const { unique_id, secret } of users) {
      if (bodies.length === count) return bodies;
      const totp = new TOTP({ secret: new Secret({ buffer: secret.buffer }) });
      const timestamp = Date.now() + shift * 30_000;
      bodies.push({ unique_id, auth_code: totp.generate({ timestamp }) });
    }
  return bodies;
}

const newUsers = (count) =>
  Array.from({ length: count }, (_, i) => ({
    id: randomUUID(),
    unique_id: `user-${i}`,
    secret: new Uint8Array(randomBytes(20)),
  }));

/** Makes the users of the limit: in tables of its own. */
export async function createLimitUsers(database, count) {
  const users = newUsers(count);
  const rows = users.map(({ id, unique_id, secret }) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', Buffer.alloc(32, 7), nonce);
    const sealed = Buffer.concat([
      nonce,
      cipher.update(secret),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return { id, unique_id, sealed: sealed.toString('base64url') };
  });
  const table = `create table limit_users (id varchar(36) primary key, unique_id varchar(255) unique not null, secret text not null, failures integer not null default 0, step bigint not null default 0)`;
  if (isPostgres(database)) {
    const client = new pg.Client(database);
    await client.connect();
    await client.query(table);
    await client.query(
      `insert into limit_users (id, unique_id, secret) select * from unnest($1::text[], $2::text[], $3::text[])`,
      ['id', 'unique_id', 'sealed'].map((name) => rows.map((r) => r[name])),
    );
    await client.query('vacuum analyze limit_users');
    await client.end();
  } else {
    const sqlite = new BetterSqlite3(fileOf(database));
    sqlite.pragma('journal_mode = WAL');
    sqlite.exec(table);
    const insert = sqlite.prepare(
      'insert into limit_users (id, unique_id, secret) values (?, ?, ?)',
    );
    sqlite.transaction(() => {
      for (const { id, unique_id, sealed } of rows)
        insert.run(id, unique_id, sealed);
    })();
    sqlite.close();
  }
  return users;
}

/** Makes users of the server, in its own tables and with its own seals. */
export async function createServerUsers(database, encryptionKey, count) {
  const { openDatabase } =
    await import('../../../dist/server/store/open-database.js');
  const { Keyring } = await import('../../../dist/server/store/keyring.js');
  const { derivedKeys } =
    await import('../../../dist/server/store/data-keys.js');
  const { FactorSecrets } =
    await import('../../../dist/server/store/factor-secrets.js');
  const { NewFactors } =
    await import('../../../dist/server/factors/new-factors.js');
  const opened = await openDatabase(database);
  const { reseal } = await import('../../../dist/server/store/reseal.js');
  const keyring = new Keyring(derivedKeys({ id: 'bench', key: encryptionKey }));
  const secrets = new FactorSecrets(keyring);
  await reseal(opened, keyring, secrets);
  const factors = new NewFactors(secrets);
  const users = [];
  for (let start = 0; start < count; start += 500)
    await opened.unit(async ({ db }) => {
      const rows = Array.from(
        { length: Math.min(500, count - start) },
        (_, i) => ({
          id: randomUUID(),
          realm: 'bench',
          unique_id: `user-${start + i}`,
          display_name: 'Somebody',
          email: null,
          sms_number: null,
          voice_number: null,
          meta: null,
          enrolled: 0,
          failures: 0,
          next_attempt_at: 0,
          wrong_codes_until: 0,
          created_at: Date.now(),
          epoch: randomUUID(),
        }),
      );
      await db.insertInto('users').values(rows).execute();
      const made = rows.map((row) => factors.first(row));
      await db.insertInto('factors').values(made.flat()).execute();
      rows.forEach((row, i) => {
        const secret = new Uint8Array(secrets.open(made[i][0], row));
        users.push({ unique_id: row.unique_id, secret });
      });
    });
  await opened.close();
  if (isPostgres(database)) {
    const client = new pg.Client(database);
    await client.connect();
    await client.query('vacuum analyze');
    await client.end();
  }
  return users;
}

/** The statements of the limit: `commit` decides a batch in one transaction. */
export async function sqlOf(database, { unseal, stepOf }) {
  return isPostgres(database)
    ? await postgresLimit(database, unseal, stepOf)
    : sqliteLimit(database, unseal, stepOf);
}

function sqliteLimit(database, unseal, stepOf) {
  const sqlite = new BetterSqlite3(fileOf(database));
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  const reserve = sqlite.prepare(
    'update limit_users set failures = failures + 1 where unique_id = ? and failures < 5 returning id, secret',
  );
  const accept = sqlite.prepare(
    'update limit_users set failures = 0, step = ? where id = ? and step < ?',
  );
  const [begin, end] = ['begin immediate', 'commit'].map((s) =>
    sqlite.prepare(s),
  );
  const commit = async (bodies) => {
    begin.run();
    const answers = bodies.map(({ unique_id, auth_code }) => {
      const user = reserve.get(unique_id);
      if (!user) return false;
      const step = stepOf(unseal(user.secret), auth_code);
      return step > 0 && accept.run(step, user.id, step).changes === 1;
    });
    end.run();
    return answers;
  };
  return { commit, parallel: 1 };
}

async function postgresLimit(database, unseal, stepOf) {
  const pool = new pg.Pool({ connectionString: database, max: 4 });
  const reserve = {
    name: 'reserve',
    text: `with locked as (
        select id from limit_users where unique_id = any($1::text[]) order by id for update
      )
      update limit_users set failures = failures + 1 from locked
      where limit_users.id = locked.id and failures < 5
      returning limit_users.id, unique_id, secret`,
  };
  const accept = {
    name: 'accept',
    text: `update limit_users set failures = 0, step = used.step
      from unnest($1::text[], $2::bigint[]) as used (id, step)
      where limit_users.id = used.id and limit_users.step < used.step
      returning unique_id`,
  };
  const commit = async (bodies) => {
    const client = await pool.connect();
    await client.query('begin');
    const { rows } = await client.query({
      ...reserve,
      values: [bodies.map(({ unique_id }) => unique_id)],
    });
    const codes = new Map(bodies.map((b) => [b.unique_id, b.auth_code]));
    const right = rows
      .map((user) => ({
        id: user.id,
        step: stepOf(unseal(user.secret), codes.get(user.unique_id)),
      }))
      .filter(({ step }) => step > 0);
    const used = await client.query({
      ...accept,
      values: [right.map(({ id }) => id), right.map(({ step }) => step)],
    });
    await client.query('commit');
    client.release();
    const accepted = new Set(used.rows.map(({ unique_id }) => unique_id));
    return bodies.map(({ unique_id }) => accepted.has(unique_id));
  };
  return { commit, parallel: 2 };
}
