import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import {
  type EncryptionKey,
  parseEncryptionKeys,
} from '../settings/encryption-keys.js';
import { StartError } from '../settings/start-error.js';
import { isPostgres, sqliteFile } from '../settings/database-url.js';

/** The path of the key file of a `sqlite:` URL; `undefined` for any other database. */
export function keyFileOf(database: string): string | undefined {
  if (isPostgres(database)) return undefined;
  const file = sqliteFile(database);
  return file === ':memory:' ? undefined : `${file}.key`;
}

/** A random encryption key. */
export function createEncryptionKey(): EncryptionKey {
  return {
    id: randomBytes(4).toString('hex'),
    key: randomBytes(32).toString('base64'),
  };
}

/**
 * Reads the keys of a key file, and creates the file if there is none.
 *
 * @param isNew whether nothing is encrypted yet; otherwise a missing file is an error
 * @throws StartError if the file cannot be read or written, is readable by others, or holds no keys
 */
export function readOrCreateKeyFile(
  path: string,
  isNew = true,
): EncryptionKey[] {
  if (!isNew && !existsSync(path))
    throw new StartError(
      `The encryption key file ${path} is missing, and the database is not new: restore the file, or set the keys or the key provider that the database was encrypted with`,
    );
  const made = createEncryptionKey();
  try {
    // `wx`: if two processes start at once, one creates the file and the other reads it.
    writeFileSync(path, `${made.id}:${made.key}\n`, {
      flag: 'wx',
      mode: 0o600,
    });
    return [made];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new StartError(
        `The encryption key file ${path} could not be written: ${(error as Error).message}`,
        { cause: error },
      );
  }
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw new StartError(
      `The encryption key file ${path} can be read by others: run chmod 600 ${path}`,
    );
  return parseEncryptionKeys(
    readFileSync(path, 'utf8').trim(),
    `The encryption key file ${path}`,
  );
}
