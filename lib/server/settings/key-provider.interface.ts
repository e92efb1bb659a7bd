import { isObject, isString, shown } from './option-type.js';
import { StartError } from './start-error.js';

/** A data key as it is stored: encrypted by a key that the database does not hold. */
export interface WrappedKey {
  /** Id of the key that encrypted it; at most 255 characters. */
  keyId: string;
  /** The encrypted data key; at most 4096 bytes. */
  bytes: Buffer;
}

/**
 * Encrypts the data keys, which encrypt everything else. The built-in one uses the
 * encryption keys of the options; write your own for a key management service
 * (KMS) or a hardware security module (HSM), and set it as `keyProvider`.
 *
 * It is asked at start, when the keys are rotated, and when another instance has
 * rotated them: never while a request waits.
 */
export interface KeyProvider {
  /** Id of the key that {@link wrap} uses now. Data keys that another one encrypted are encrypted anew at start. */
  readonly currentKeyId: string;
  /**
   * Encrypts a data key of 32 bytes.
   *
   * @param context what the data key is for; {@link unwrap} must fail with another one (the
   *   encryption context of a KMS, the associated data of an AEAD)
   */
  wrap(dataKey: Buffer, context: string): Promise<WrappedKey>;
  /** Decrypts a data key. Rejects if it cannot: the server then does not start. */
  unwrap(wrapped: WrappedKey, context: string): Promise<Buffer>;
}

/** @throws StartError */
export function checkKeyProvider(provider: unknown): void {
  const members = isObject(provider) ? provider : {};
  for (const method of ['wrap', 'unwrap'])
    if (typeof members[method] !== 'function')
      throw new StartError(
        `Option keyProvider must be an object with a method ${method}, but that is ${shown(members[method])}`,
      );
  if (!isString(members.currentKeyId) || members.currentKeyId === '')
    throw new StartError(
      `Option keyProvider.currentKeyId must be the id of the key that wrap uses, but is ${shown(members.currentKeyId)}`,
    );
}
