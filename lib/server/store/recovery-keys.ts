import { createHash } from 'node:crypto';
import { type DataKey, derived } from './data-keys.js';

/** Hashes recovery codes of a realm. An export takes it along, so it is good for nothing else. */
export interface RecoveryKey {
  /** {@link idOfKey}: no key can take the id of another one. */
  id: string;
  key: Buffer;
}

/**
 * The keys of a realm: one made of each key that hashes, which cannot be found from
 * it, and then those that were imported. The first one hashes new codes. It is never an
 * imported one: whoever has the export knows those.
 */
export function recoveryKeysOf(
  keys: readonly DataKey[],
  realm: string,
): RecoveryKey[] {
  const own = keys
    .filter(({ purpose }) => purpose === 'hashing')
    .map((from) => {
      const key = derived(from.key, `recovery\n${realm}`);
      return { id: idOfKey(key), key };
    });
  const imported = keys
    .filter((one) => one.purpose === 'recovery' && one.realm === realm)
    .map(({ id, key }) => ({ id, key }));
  return [...own, ...imported];
}

/** 64 bits of a hash, in hexadecimal. */
export const idOfKey = (key: Buffer) =>
  createHash('sha256')
    .update('nestjs-gauthify recovery key id\n')
    .update(key)
    .digest('hex')
    .slice(0, 16);
