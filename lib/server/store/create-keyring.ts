import type { GAuthifyServerOptions } from '../settings/server-options.js';
import type { ServerSettings } from '../settings/settings.js';
import { StartError } from '../settings/start-error.js';
import { openTotpSecret } from './user-secrets.js';
import {
  createEncryptionKey,
  keyFileOf,
  readOrCreateKeyFile,
} from './key-file.js';
import { Keyring } from './keyring.js';
import type { Database, UserRow } from './schema.js';

/**
 * The keyring of the options, or of the key file beside the SQLite file.
 *
 * @throws StartError also where the database was written with other keys: better now than at a user's log-in
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
    // Nest does not call the shutdown hooks of what never started.
    await db.destroy();
    throw error;
  }
}

function checkKeys(keyring: Keyring, user: UserRow): void {
  try {
    openTotpSecret(keyring, user);
  } catch (error) {
    throw new StartError(
      'The database was encrypted with other keys than those given: restore GAUTHIFY_ENCRYPTION_KEYS (option encryptionKeys), or the key file beside the database',
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
