import type { EncryptionKey } from './server-options.js';
import { StartError } from './start-error.js';

/**
 * Reads `id:base64,id:base64`, newest first.
 *
 * @param source names the value in an error, which never shows it
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
  if (new Set(keys.map(({ id }) => id)).size !== keys.length)
    throw new StartError(`${source} names one key id twice`);
  return keys;
}
