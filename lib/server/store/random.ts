import { hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { Secret } from 'otpauth';

/** 32 random base32 characters: 160 bits. */
export function randomToken(): string {
  return new Secret({ buffer: arrayBuffer(randomBytes(20)) }).base32;
}

/** A code for a person to type: uniformly random decimal digits. */
export function randomDigits(digits: number): string {
  return String(randomInt(10 ** digits)).padStart(digits, '0');
}

/** SHA-256, hex: for values with so much entropy that no key or salt is needed. */
export function sha256(value: string): string {
  return hash('sha256', value, 'hex');
}

/** A copy of the bytes of a buffer, without the rest of its pool. */
export function arrayBuffer(buffer: Buffer): ArrayBuffer {
  return new Uint8Array(buffer).buffer;
}

/** Whether two strings are equal; the time it takes depends on their lengths alone. */
export function constantTimeEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
