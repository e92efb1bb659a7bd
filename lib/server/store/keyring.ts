import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import type { EncryptionKey } from '../settings/encryption-keys.js';

const NONCE_BYTES = 12;
/** Nonces that are drawn at once: the call to the generator takes longer than the encryption. */
const NONCES_AT_ONCE = 256;
const TAG_BYTES = 16;

interface Key {
  id: string;
  encryption: Buffer;
  hashing: Buffer;
}

/**
 * Encrypts secrets (AES-256-GCM) and hashes codes (HMAC-SHA-256) with the
 * newest key; reads what any of the keys wrote. Every record carries the id of
 * its key.
 */
export class Keyring {
  private readonly keys: Key[];
  /** Random bytes for the next nonces. */
  private nonces = Buffer.alloc(0);

  constructor(keys: readonly EncryptionKey[]) {
    this.keys = keys.map(({ id, key }) => {
      const bytes = Buffer.from(key, 'base64');
      // A separate key for each purpose.
      return {
        id,
        encryption: derive(bytes, 'encryption'),
        hashing: derive(bytes, 'hashing'),
      };
    });
  }

  private get newest(): Key {
    return this.keys[0]!;
  }

  /**
   * Encrypts a secret.
   *
   * @param place where it is stored (user and field); opening it elsewhere fails
   */
  seal(secret: Buffer, place: string): string {
    const nonce = this.nextNonce();
    const cipher = createCipheriv('aes-256-gcm', this.newest.encryption, nonce);
    cipher.setAAD(Buffer.from(place));
    const sealed = Buffer.concat([
      nonce,
      cipher.update(secret),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return `${this.newest.id}.${sealed.toString('base64url')}`;
  }

  /** Each is handed out once. */
  private nextNonce(): Buffer {
    if (this.nonces.length === 0)
      this.nonces = randomBytes(NONCES_AT_ONCE * NONCE_BYTES);
    const nonce = this.nonces.subarray(0, NONCE_BYTES);
    this.nonces = this.nonces.subarray(NONCE_BYTES);
    return nonce;
  }

  /** @throws Error if the key is not in the ring, or the record was altered or moved */
  open(record: string, place: string): Buffer {
    const [id, data] = splitRecord(record);
    const key = this.keys.find((candidate) => candidate.id === id);
    if (!key) throw new Error(`No encryption key with id "${id}"`);
    const bytes = Buffer.from(data, 'base64url');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      key.encryption,
      bytes.subarray(0, NONCE_BYTES),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(Buffer.from(place));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([
      decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)),
      decipher.final(),
    ]);
  }

  /** Keyed hash: six-digit codes cannot be found from a stolen database. */
  hash(value: string): string {
    return `${this.newest.id}.${mac(this.newest, value)}`;
  }

  /**
   * Keyed hashes to find a value by, one per key, the newest first. Only a holder
   * of the keys can make a row that is found.
   */
  lookups(value: string): [newest: string, ...older: string[]] {
    return this.keys.map((key) => mac(key, value)) as [string, ...string[]];
  }

  /** Whether `record` is a {@link hash} of `value`; in constant time. */
  matches(record: string, value: string): boolean {
    const [id, expected] = splitRecord(record);
    const key = this.keys.find((candidate) => candidate.id === id);
    if (!key) return false;
    return timingSafeEqual(
      Buffer.from(mac(key, value)),
      Buffer.from(expected.padEnd(43).slice(0, 43)),
    );
  }
}

function derive(key: Buffer, purpose: string): Buffer {
  return Buffer.from(
    hkdfSync('sha256', key, '', `nestjs-gauthify ${purpose}`, 32),
  );
}

function mac(key: Key, value: string): string {
  return createHmac('sha256', key.hashing).update(value).digest('base64url');
}

function splitRecord(record: string): [id: string, data: string] {
  const dot = record.indexOf('.');
  return [record.slice(0, dot), record.slice(dot + 1)];
}
