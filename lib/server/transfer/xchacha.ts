import { createDecipheriv } from 'node:crypto';

const TAG_BYTES = 16;
const NONCE_BYTES = 24;
/** "expand 32-byte k" [RFC 8439 §2.3]. */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/**
 * Decrypts XChaCha20-Poly1305 (nonce, ciphertext, tag), which OpenSSL does not have:
 * HChaCha20 makes a key of the first 16 bytes of the nonce, and ChaCha20-Poly1305
 * does the rest.
 *
 * @see https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03
 * @throws Error if the key is another one, or the data was altered
 */
export function openXChaCha(key: Buffer, data: Buffer): Buffer {
  if (data.length < NONCE_BYTES + TAG_BYTES) throw new Error('Too short');
  const nonce = data.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(
    'chacha20-poly1305',
    hChaCha(key, nonce.subarray(0, 16)),
    Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]),
    { authTagLength: TAG_BYTES },
  );
  decipher.setAuthTag(data.subarray(-TAG_BYTES));
  return Buffer.concat([
    decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES)),
    decipher.final(),
  ]);
}

/** HChaCha20 [draft-irtf-cfrg-xchacha-03 §2.2]. */
export function hChaCha(key: Buffer, nonce: Buffer): Buffer {
  const state = new Uint32Array(16);
  state.set(CONSTANTS);
  for (let i = 0; i < 8; i++) state[4 + i] = key.readUInt32LE(4 * i);
  for (let i = 0; i < 4; i++) state[12 + i] = nonce.readUInt32LE(4 * i);
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(state, i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++)
      quarter(
        state,
        i,
        4 + ((i + 1) % 4),
        8 + ((i + 2) % 4),
        12 + ((i + 3) % 4),
      );
  }
  const out = Buffer.alloc(32);
  [0, 1, 2, 3, 12, 13, 14, 15].forEach((from, i) =>
    out.writeUInt32LE(state[from]!, 4 * i),
  );
  return out;
}

/** A quarter round [RFC 8439 §2.1]. */
function quarter(s: Uint32Array, a: number, b: number, c: number, d: number) {
  const step = (to: number, add: number, turn: number, bits: number) => {
    s[to] = s[to]! + s[add]!;
    const mixed = s[turn]! ^ s[to];
    s[turn] = (mixed << bits) | (mixed >>> (32 - bits));
  };
  step(a, b, d, 16);
  step(c, d, b, 12);
  step(a, b, d, 8);
  step(c, d, b, 7);
}
