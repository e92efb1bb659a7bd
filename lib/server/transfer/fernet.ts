import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';

const VERSION = 0x80;
/** Version, time and initialization vector. */
const HEADER_BYTES = 1 + 8 + 16;
const MAC_BYTES = 32;

/**
 * Decrypts a Fernet token: AES-128-CBC with HMAC-SHA-256.
 *
 * @see https://github.com/fernet/spec/blob/master/Spec.md
 * @throws Error if the key is another one, or the token was altered
 */
export function openFernet(key: string, token: string): Buffer {
  const keys = Buffer.from(key, 'base64url');
  const data = Buffer.from(token, 'base64url');
  if (keys.length !== 32 || data.length < HEADER_BYTES + 16 + MAC_BYTES)
    throw new Error('Not a Fernet key and token');
  const signed = data.subarray(0, -MAC_BYTES);
  const mac = createHmac('sha256', keys.subarray(0, 16))
    .update(signed)
    .digest();
  if (data[0] !== VERSION || !timingSafeEqual(mac, data.subarray(-MAC_BYTES)))
    throw new Error('Another key, or altered');
  const decipher = createDecipheriv(
    'aes-128-cbc',
    keys.subarray(16),
    data.subarray(9, HEADER_BYTES),
  );
  return Buffer.concat([
    decipher.update(signed.subarray(HEADER_BYTES)),
    decipher.final(),
  ]);
}
