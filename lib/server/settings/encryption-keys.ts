import { isObject, isString } from './option-type.js';
import { StartError } from './start-error.js';

/** A key that encrypts secrets in the database. */
export interface EncryptionKey {
  /** 1–32 of `a-z A-Z 0-9 _ -`; stored with everything the key encrypted. */
  id: string;
  /** 32 bytes, base64. */
  key: string;
}

/**
 * Reads `id:base64,id:base64`, newest first.
 *
 * @param source names the value in an error, which never shows the key
 */
export function parseEncryptionKeys(
  text: string,
  source: string,
): EncryptionKey[] {
  const keys = text.split(',').map((entry) => {
    const match = /^([\w-]{1,32}):([A-Za-z0-9+/]{43}=)$/.exec(entry.trim());
    if (!match)
      throw new StartError(
        `${source} must be id:base64 entries separated by commas, each key 32 bytes`,
      );
    return { id: match[1]!, key: match[2]! };
  });
  checkEncryptionKeys(keys, source);
  return keys;
}

/**
 * @throws StartError if an entry is malformed, a key is not 32 bytes, or two keys
 *   have the same id
 */
export function checkEncryptionKeys(
  keys: readonly EncryptionKey[],
  source: string,
): void {
  for (const [index, entry] of keys.entries()) {
    // Not shown: id and key may be swapped.
    if (!isObject(entry) || !isString(entry.id) || !isString(entry.key))
      throw new StartError(
        `${source}: entry ${index + 1} must be { id, key }, both strings`,
      );
    const { id, key } = entry;
    if (!/^[\w-]{1,32}$/.test(id))
      throw new StartError(
        `${source}: the id of entry ${index + 1} must be 1 to 32 letters, digits, "_" or "-"`,
      );
    const { length } = Buffer.from(key, 'base64');
    if (length !== 32)
      throw new StartError(
        `${source}: key "${id}" must be 32 bytes in base64, but is ${length}`,
      );
  }
  if (new Set(keys.map(({ id }) => id)).size !== keys.length)
    throw new StartError(`${source} has two keys with the same id`);
}

/** With PostgreSQL no key file is made: it would have to be beside each instance. */
export function encryptionKeysMissing(): StartError {
  return new StartError(
    'Option encryptionKeys is missing: with PostgreSQL, all instances need the same keys, and no key file is made. Make one with: echo "k1:$(openssl rand -base64 32)"',
  );
}
