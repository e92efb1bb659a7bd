import type {
  GAuthifyServerOptions,
  ServerSettings,
} from '../settings/server.options.js';
import { StartError } from '../settings/start-error.js';
import { UserSecrets } from './user-secrets.js';
import {
  createEncryptionKey,
  keyFileOf,
  readOrCreateKeyFile,
} from './key-file.js';
import { Keyring } from './keyring.js';
import type { Database, UserRow } from './schema.js';

/**
 * Makes the keyring from the options, or from the key file beside the SQLite file.
 *
 * @throws StartError also if the database was encrypted with other keys: better at start than at a user's log-in
 */
export async function createKeyring(
  options: GAuthifyServerOptions,
  settings: ServerSettings,
  db: Database,
): Promise<Keyring> {
  try {
    const user = await db
      .selectFrom('users')
      .selectAll()
      .limit(1)
      .executeTakeFirst();
    const keyring = new Keyring(keysOf(options, settings, !user));
    if (user) checkKeys(keyring, user);
    return keyring;
  } catch (error) {
    // Nest calls no shutdown hooks for an application that never started.
    await db.destroy();
    throw error;
  }
}

function checkKeys(keyring: Keyring, user: UserRow): void {
  try {
    new UserSecrets(keyring).totp(user);
  } catch (error) {
    throw new StartError(
      'The database was encrypted with other keys than the ones given: restore GAUTHIFY_ENCRYPTION_KEYS (option encryptionKeys), or the key file beside the database',
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
