import {
  DatabaseNotReadyError,
  type DatabaseUse,
} from '../settings/database-use.js';
import type { EncryptionKey } from '../settings/encryption-keys.js';
import type {
  GAuthifyServerOptions,
  ServerSettings,
} from '../settings/server.options.js';
import { StartError } from '../settings/start-error.js';
import { DataKeys } from './data-keys.js';
import type { Database, Queries } from './database.js';
import { FactorSecrets, SEALED_COLUMNS } from './factor-secrets.js';
import {
  createEncryptionKey,
  keyFileOf,
  readOrCreateKeyFile,
} from './key-file.js';
import { Keyring } from './keyring.js';
import { LocalKeyProvider } from './local-key-provider.js';
import { reseal, sealState } from './reseal.js';

/**
 * Finds out who encrypts the data keys: the `keyProvider` of the options, or their
 * encryption keys, or those of the key file beside the SQLite file.
 *
 * @throws StartError if the key file cannot be read or created
 */
export async function createDataKeys(
  options: GAuthifyServerOptions,
  settings: ServerSettings,
  database: Database,
  use: DatabaseUse,
): Promise<DataKeys> {
  return await orClose(database, async () => {
    if (use === 'use' && !(await hasRow(database.read, 'data_keys')))
      throw new DatabaseNotReadyError(
        'missing',
        'The database has no data keys yet: start the server first, which makes them',
      );
    const isNew = !(await hasRecords(database.read));
    const isOwn = options.keyProvider && !options.encryptionKeys?.length;
    const keys = isOwn ? [] : keysOf(options, settings, isNew);
    const local = new LocalKeyProvider(keys);
    const provider = options.keyProvider ?? local;
    // Records from before there were data keys were encrypted by these.
    const existing = isNew ? [] : keys;
    return new DataKeys(database, provider, settings.now, existing, local);
  });
}

/**
 * Makes the keyring from the data keys.
 *
 * @throws StartError also if the database was encrypted with other keys: better at start than at a user's log-in
 */
export async function createKeyring(
  settings: ServerSettings,
  database: Database,
  dataKeys: DataKeys,
  use: DatabaseUse,
): Promise<Keyring> {
  return await orClose(database, async () => {
    // Before anything is stored: wrong keys must not stand in the way of the right ones.
    const derived = await dataKeys.derived();
    if (derived) await checkRecords(database.read, new Keyring(derived));
    const keyring = new Keyring(await dataKeys.load(), settings.now);
    const secrets = new FactorSecrets(keyring);
    await checkRecords(database.read, keyring);
    if (use !== 'use') await reseal(database, keyring, secrets);
    else if ((await sealState(database.read, keyring)) !== 'sealed')
      throw new DatabaseNotReadyError(
        'older',
        'The database is not completely upgraded: start the server, which goes on with it, before you use this command',
      );
    if (use === 'serve') await dataKeys.rewrap();
    return keyring;
  });
}

/** Nest calls no shutdown hooks for an application that never started. */
async function orClose<Result>(
  database: Database,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Whether anything is stored that a key encrypted or hashed. */
async function hasRecords(db: Queries): Promise<boolean> {
  for (const table of ['data_keys', 'seals', 'api_keys', 'users'] as const)
    if (await hasRow(db, table)) return true;
  return false;
}

const hasRow = async (
  db: Queries,
  table: 'data_keys' | 'seals' | 'api_keys' | 'users',
) =>
  (await db.selectFrom(table).selectAll().limit(1).executeTakeFirst()) !==
  undefined;

/** @throws StartError if the keys do not open what is stored */
async function checkRecords(db: Queries, keyring: Keyring): Promise<void> {
  await sealState(db, keyring);
  const secrets = new FactorSecrets(keyring);
  const factor = await db
    .selectFrom('factors')
    .innerJoin('users', 'users.id', 'factors.user_id')
    .select([...SEALED_COLUMNS, 'realm', 'unique_id'])
    .where('kind', '!=', 'recovery')
    .limit(1)
    .executeTakeFirst();
  if (!factor) return;
  try {
    // An old seal is opened, too.
    if (secrets.reseal(factor, factor) === undefined)
      secrets.open(factor, factor);
  } catch (error) {
    throw new StartError(
      'Option encryptionKeys: the database was encrypted with other keys: restore them, or the key file beside the database',
      { cause: error },
    );
  }
}

function keysOf(
  options: GAuthifyServerOptions,
  { database }: ServerSettings,
  isNew: boolean,
): EncryptionKey[] {
  if (options.encryptionKeys?.length) return options.encryptionKeys;
  const file = keyFileOf(database);
  return file === undefined
    ? [createEncryptionKey()]
    : readOrCreateKeyFile(file, isNew);
}
