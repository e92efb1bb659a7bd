import type {
  GAuthifyServerOptions,
  ServerSettings,
} from '../settings/server.options.js';
import { StartError } from '../settings/start-error.js';
import {
  createEncryptionKey,
  keyFileOf,
  readOrCreateKeyFile,
} from './key-file.js';
import { Keyring } from './keyring.js';
import type { Database } from './database.js';
import { FactorSecrets, type Owner, SEALED_COLUMNS } from './factor-secrets.js';
import { reseal } from './reseal.js';

/**
 * Makes the keyring from the options, or from the key file beside the SQLite file.
 *
 * @throws StartError also if the database was encrypted with other keys: better at start than at a user's log-in
 */
export async function createKeyring(
  options: GAuthifyServerOptions,
  settings: ServerSettings,
  database: Database,
): Promise<Keyring> {
  try {
    const factor = await database.read
      .selectFrom('factors')
      .innerJoin('users', 'users.id', 'factors.user_id')
      .select([...SEALED_COLUMNS, 'realm', 'unique_id'])
      .where('kind', '!=', 'recovery')
      .limit(1)
      .executeTakeFirst();
    const keyring = new Keyring(keysOf(options, settings, !factor));
    const secrets = new FactorSecrets(keyring);
    if (factor) checkKeys(secrets, factor);
    await reseal(database, keyring, secrets);
    return keyring;
  } catch (error) {
    // Nest calls no shutdown hooks for an application that never started.
    await database.close();
    throw error;
  }
}

function checkKeys(
  secrets: FactorSecrets,
  factor: Parameters<FactorSecrets['reseal']>[0] & Owner,
): void {
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
) {
  if (options.encryptionKeys?.length) return options.encryptionKeys;
  const file = keyFileOf(database);
  return file === undefined
    ? [createEncryptionKey()]
    : readOrCreateKeyFile(file, isNew);
}
