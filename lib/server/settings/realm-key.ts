import { isObject, isString, kindOf } from './option-type.js';
import { StartError } from './start-error.js';

/** An API key, and the realm (tenant) whose users it gives access to. */
export interface RealmKey {
  /** 1–64 of `a-z A-Z 0-9 _ . -`. */
  realm: string;
  /** 16–255 printable ASCII characters without spaces. A realm may have several keys, so that they can be rotated. */
  key: string;
}

/** The name of a realm, and that in words. */
export const REALM = /^[\w.-]{1,64}$/;
export const REALM_IS = '1 to 64 letters, digits, "_", "." or "-"';

const FIELDS = [
  ['realm', REALM, REALM_IS],
  [
    'key',
    /^[!-~]{16,255}$/,
    '16 to 255 printable ASCII characters without spaces',
  ],
] as const;

/**
 * Checks one entry of `apiKeys`.
 *
 * @throws StartError naming the entry by its position: either field may hold a key
 */
export function checkRealmKey(entry: unknown, index: number): RealmKey {
  const number = index + 1;
  if (!isObject(entry))
    throw new StartError(
      `Option apiKeys: entry ${number} must be { realm, key }, but is ${kindOf(entry)}`,
    );
  for (const [name, form, description] of FIELDS) {
    const value = entry[name];
    const subject = `Option apiKeys: the ${name} of entry ${number}`;
    if (value === undefined)
      throw new StartError(`${subject} is missing: give ${description}`);
    if (!isString(value))
      throw new StartError(
        `${subject} must be a string, but is ${kindOf(value)}`,
      );
    if (!form.test(value))
      throw new StartError(`${subject} must be ${description}`);
  }
  const { realm, key } = entry as unknown as RealmKey;
  return { realm, key };
}
