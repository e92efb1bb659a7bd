import {
  createCipheriv,
  createDecipheriv,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import type { EncryptionKey } from '../settings/encryption-keys.js';
import type {
  KeyProvider,
  WrappedKey,
} from '../settings/key-provider.interface.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts data keys with the encryption keys of the options, AES-256-GCM: the first one encrypts, all of them decrypt. */
export class LocalKeyProvider implements KeyProvider {
  constructor(private readonly keys: readonly EncryptionKey[]) {}

  get currentKeyId(): string {
    return this.keys[0]!.id;
  }

  knows(keyId: string): boolean {
    return this.keys.some(({ id }) => id === keyId);
  }

  async wrap(dataKey: Buffer, context: string): Promise<WrappedKey> {
    const [key] = this.keys as [EncryptionKey];
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', wrappingKey(key), nonce);
    cipher.setAAD(Buffer.from(context));
    const encrypted = [cipher.update(dataKey), cipher.final()];
    const bytes = Buffer.concat([nonce, ...encrypted, cipher.getAuthTag()]);
    return { keyId: key.id, bytes };
  }

  async unwrap({ keyId, bytes }: WrappedKey, context: string): Promise<Buffer> {
    const key = this.keys.find(({ id }) => id === keyId);
    if (!key) throw new Error(`There is no encryption key "${keyId}"`);
    const decipher = createDecipheriv(
      'aes-256-gcm',
      wrappingKey(key),
      bytes.subarray(0, NONCE_BYTES),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([
      decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)),
      decipher.final(),
    ]);
  }
}

/** A key of its own for this purpose. */
function wrappingKey({ key }: EncryptionKey): Buffer {
  const bytes = Buffer.from(key, 'base64');
  return Buffer.from(
    hkdfSync('sha256', bytes, '', 'nestjs-gauthify wrapping', 32),
  );
}
