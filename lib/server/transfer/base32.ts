import { Secret } from 'otpauth';

/** Base32 as people and programs write it, spaces, dashes, padding and lower case included; `undefined` if it is something else. */
export function fromBase32(text: string): Buffer | undefined {
  const letters = text.replace(/[\s-]/g, '').replace(/=+$/, '').toUpperCase();
  // 1, 3 and 6 letters over a group of 8 cannot be whole bytes [RFC 4648 §6].
  if (!/^[A-Z2-7]+$/.test(letters) || [1, 3, 6].includes(letters.length % 8))
    return undefined;
  return Buffer.from(Secret.fromBase32(letters).buffer);
}
