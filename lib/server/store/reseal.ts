import { sql } from 'kysely';
import { StartError } from '../settings/start-error.js';
import type { Database, Queries } from './database.js';
import {
  SEAL_PREFIX,
  type FactorSecrets,
  SEALED_COLUMNS,
} from './factor-secrets.js';
import type { Keyring } from './keyring.js';
import type { SealRow } from './schema.js';
import { apiKeyHashes, tokenHashes } from './stored-hashes.js';

const ROWS_AT_ONCE = 200;

/**
 * Renews what 0.1.0 stored: secrets that were bound to a row, and hashes of API
 * keys and tokens without a key. In steps, so that it goes on where it was
 * interrupted.
 *
 * Then `seals` says that nothing old is left, and nothing old is accepted again:
 * otherwise someone who can write to the database could insert an old record.
 *
 * @throws StartError if old records stand beside new ones without having been
 *   left there by an interrupted run
 */
export async function reseal(
  database: Database,
  keyring: Keyring,
  secrets: FactorSecrets,
): Promise<void> {
  if ((await begin(database, keyring)) === 'sealed') return;
  while ((await resealFactors(database, secrets)) > 0);
  await rehash(database, keyring);
  await database.unit(({ db }) => setState(db, keyring, 'sealed'));
}

/** Says that resealing has begun, unless it has ended. */
async function begin(
  database: Database,
  keyring: Keyring,
): Promise<SealRow['name']> {
  return await database.unit(async ({ db, dialect }) => {
    // One instance at a time.
    if (dialect === 'postgres') await sql`lock table seals`.execute(db);
    const state = await sealState(db, keyring);
    if (state !== undefined) {
      // By the newest key, so that an old one can leave the ring.
      await setState(db, keyring, state);
      return state;
    }
    if (await hasNewRecords(db))
      throw new StartError(
        'The table "seals" of the database was altered: restore the database from a backup',
      );
    await setState(db, keyring, 'resealing');
    return 'resealing';
  });
}

const proofOf = (name: SealRow['name']) => `seals\n${name}`;

/** @throws StartError if what `seals` says was not proven by one of the keys */
export async function sealState(
  db: Queries,
  keyring: Keyring,
): Promise<SealRow['name'] | undefined> {
  const [row] = await db.selectFrom('seals').selectAll().execute();
  if (!row || keyring.matches(row.proof, proofOf(row.name))) return row?.name;
  throw new StartError(
    'Option encryptionKeys: the database was encrypted with other keys: all instances need the same ones',
  );
}

async function setState(
  db: Queries,
  keyring: Keyring,
  name: SealRow['name'],
): Promise<void> {
  await db.deleteFrom('seals').execute();
  await db
    .insertInto('seals')
    .values({ name, proof: keyring.hash(proofOf(name)) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Whether the database holds anything that 0.1.0 did not store, or lacks what its migration made. */
async function hasNewRecords(db: Queries): Promise<boolean> {
  const { rows } = await sql`
    select 1 from factors where secret like ${`${SEAL_PREFIX}%`} or kind = 'recovery'
    union all
    select 1 from api_keys where binding <> ''
    union all
    select 1 from users
    where not exists (select 1 from factors where factors.user_id = users.id)
    limit 1`.execute(db);
  return rows.length > 0;
}

async function resealFactors(
  database: Database,
  secrets: FactorSecrets,
): Promise<number> {
  return await database.unit(async ({ db }) => {
    const factors = await db
      .selectFrom('factors')
      .innerJoin('users', 'users.id', 'factors.user_id')
      .select([...SEALED_COLUMNS, 'realm', 'unique_id'])
      .where('kind', '!=', 'recovery')
      .where('secret', 'not like', `${SEAL_PREFIX}%`)
      .limit(ROWS_AT_ONCE)
      .execute();
    for (const factor of factors)
      await db
        .updateTable('factors')
        .set({ secret: secrets.reseal(factor, factor) })
        .where('id', '=', factor.id)
        .execute();
    return factors.length;
  });
}

/** Rows with SHA-256 in hex, which is 64 characters long; a keyed hash has 43. */
async function rehash(database: Database, keyring: Keyring): Promise<void> {
  await database.unit(async ({ db }) => {
    const keys = await db.selectFrom('api_keys').selectAll().execute();
    for (const { hash, realm } of keys.filter(isOld))
      await db
        .updateTable('api_keys')
        .set(apiKeyHashes(keyring, hash, realm))
        .where('hash', '=', hash)
        .execute();
    const tokens = await db
      .selectFrom('tokens')
      .innerJoin('users', 'users.id', 'tokens.user_id')
      .select(['hash', 'realm', 'unique_id', 'tokens.epoch', 'method'])
      .execute();
    for (const token of tokens.filter(isOld))
      await db
        .updateTable('tokens')
        .set(tokenHashes(keyring, token.hash, token))
        .where('hash', '=', token.hash)
        .execute();
  });
}

const isOld = ({ hash }: { hash: string }) => hash.length === 64;
