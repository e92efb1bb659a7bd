import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import type { DataKey } from './data-keys.js';
import { type RecoveryKey, recoveryKeysOf } from './recovery-keys.js';

const NONCE_BYTES = 12;
/** Nonces that are drawn at once: the call to the generator takes longer than the encryption. */
const NONCES_AT_ONCE = 256;
const TAG_BYTES = 16;
const CACHED_REALMS = 1_000;

/**
 * How long a new key is only read with, milliseconds: other instances look for new
 * keys every 10 s, and must know this one before anything is encrypted with it.
 */
export const ACTIVE_AFTER_MS = 30_000;

/**
 * Encrypts secrets (AES-256-GCM) and hashes codes (HMAC-SHA-256) with the newest
 * data key; reads what any of them wrote. Every record carries the id of its key.
 */
export class Keyring {
  /** All data keys, the newest first. */
  keys!: readonly DataKey[];
  private encryption!: readonly DataKey[];
  private hashing!: readonly DataKey[];
  private readonly ofRealm = new Map<string, readonly RecoveryKey[]>();
  /** Random bytes for the next nonces. */
  private nonces = Buffer.alloc(0);

  /** @param keys the newest first; at least one of each purpose */
  constructor(
    keys: readonly DataKey[],
    private readonly now: () => number = Date.now,
  ) {
    this.replace(keys);
  }

  /** Uses these keys from now on. */
  replace(keys: readonly DataKey[]): void {
    this.keys = keys;
    this.encryption = keys.filter(({ purpose }) => purpose === 'encryption');
    this.hashing = keys.filter(({ purpose }) => purpose === 'hashing');
    this.ofRealm.clear();
  }

  get newestDataKey(): DataKey {
    return this.encryption[0]!;
  }

  /** The key that encrypts: the newest one that all instances know. */
  get sealingKey(): DataKey {
    const known = this.now() - ACTIVE_AFTER_MS;
    return (
      this.encryption.find(({ createdAt }) => createdAt <= known) ??
      this.encryption.at(-1)!
    );
  }

  /**
   * Encrypts a secret.
   *
   * @param place where it is stored (user and field); opening it elsewhere fails
   */
  seal(secret: Buffer, place: string): string {
    const { id, key } = this.sealingKey;
    const nonce = this.nextNonce();
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.from(place));
    const sealed = Buffer.concat([
      nonce,
      cipher.update(secret),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return `${id}.${sealed.toString('base64url')}`;
  }

  /** @throws Error if the key is not in the ring, or the record was altered or moved */
  open(record: string, place: string): Buffer {
    const [id, data] = splitRecord(record);
    const found = this.encryption.find((candidate) => candidate.id === id);
    if (!found) throw new Error(`There is no data key "${id}"`);
    const bytes = Buffer.from(data, 'base64url');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      found.key,
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
    return hashBy(this.hashing[0]!, value);
  }

  /**
   * Keyed hashes to find a value by, one per key, the newest first. Only a holder
   * of the keys can make a row that is found.
   */
  lookups(value: string): [newest: string, ...older: string[]] {
    return this.hashing.map((key) => mac(key, value)) as [string, ...string[]];
  }

  /** Whether `record` is a {@link hash} of `value`; in constant time. */
  matches(record: string, value: string): boolean {
    return matchesBy(this.hashing, record, value);
  }

  /** The keys of a realm's recovery codes; the first hashes new ones. */
  recoveryKeys(realm: string): readonly RecoveryKey[] {
    const known = this.ofRealm.get(realm);
    if (known) return known;
    const keys = recoveryKeysOf(this.keys, realm);
    if (this.ofRealm.size >= CACHED_REALMS) this.ofRealm.clear();
    this.ofRealm.set(realm, keys);
    return keys;
  }

  /** Hashes a recovery code, with a key of its realm and for nothing else. */
  hashRecovery(value: string, realm: string): string {
    return hashBy(this.recoveryKeys(realm)[0]!, value);
  }

  /** Whether `record` is a {@link hashRecovery} of `value`, here or where it was imported from; in constant time. */
  matchesRecovery(record: string, value: string, realm: string): boolean {
    return matchesBy(this.recoveryKeys(realm), record, value);
  }

  /** Each is handed out once. */
  private nextNonce(): Buffer {
    if (this.nonces.length === 0)
      this.nonces = randomBytes(NONCES_AT_ONCE * NONCE_BYTES);
    const nonce = this.nonces.subarray(0, NONCE_BYTES);
    this.nonces = this.nonces.subarray(NONCE_BYTES);
    return nonce;
  }
}

type HashingKey = Pick<DataKey, 'id' | 'key'>;

const hashBy = (key: HashingKey, value: string) =>
  `${key.id}.${mac(key, value)}`;

function matchesBy(
  keys: readonly HashingKey[],
  record: string,
  value: string,
): boolean {
  const [id, expected] = splitRecord(record);
  const key = keys.find((candidate) => candidate.id === id);
  if (!key) return false;
  return timingSafeEqual(
    Buffer.from(mac(key, value)),
    Buffer.from(expected.padEnd(43).slice(0, 43)),
  );
}

function mac({ key }: HashingKey, value: string): string {
  return createHmac('sha256', key).update(value).digest('base64url');
}

function splitRecord(record: string): [id: string, data: string] {
  const dot = record.indexOf('.');
  return [record.slice(0, dot), record.slice(dot + 1)];
}
