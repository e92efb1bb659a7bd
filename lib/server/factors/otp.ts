import { HOTP, Secret, TOTP } from 'otpauth';
import { arrayBuffer } from '../store/random.js';

/** Digits of a TOTP code and of a sent code. */
export const CODE_DIGITS = 6;
/** Digits of a one-time pass: a different length distinguishes it from the other codes. */
export const ONE_TIME_PASS_DIGITS = 8;
/** Length of a TOTP step, seconds [RFC 6238 §4.1]. */
export const STEP_SECONDS = 30;

// Every authenticator app supports it; several ignore any other algorithm in the QR code.
const ALGORITHM = 'SHA1';

/** Base32 without padding, as authenticator apps read it. */
export function toBase32(secret: Buffer): string {
  return new Secret({ buffer: arrayBuffer(secret) }).base32;
}

/** The TOTP step of a time in milliseconds. */
export function stepAt(timeMs: number): number {
  return Math.floor(timeMs / 1000 / STEP_SECONDS);
}

/** The TOTP code of a step [RFC 6238]. */
export function totpCode(secret: Buffer, step: number): string {
  return HOTP.generate({
    secret: new Secret({ buffer: arrayBuffer(secret) }),
    algorithm: ALGORITHM,
    digits: CODE_DIGITS,
    counter: step,
  });
}

/**
 * The step that a TOTP code belongs to; `undefined` if the code is wrong. Compares
 * in constant time.
 *
 * @param window steps accepted on either side of the step at `timeMs`
 */
export function matchTotp(
  secret: Buffer,
  code: string,
  timeMs: number,
  window: number,
): number | undefined {
  const delta = TOTP.validate({
    token: code,
    secret: new Secret({ buffer: arrayBuffer(secret) }),
    algorithm: ALGORITHM,
    digits: CODE_DIGITS,
    period: STEP_SECONDS,
    timestamp: timeMs,
    window,
  });
  return delta === null ? undefined : stepAt(timeMs) + delta;
}

/** The one-time pass at a counter [RFC 4226]. */
export function oneTimePass(secret: Buffer, counter: number): string {
  return HOTP.generate({
    secret: new Secret({ buffer: arrayBuffer(secret) }),
    algorithm: ALGORITHM,
    digits: ONE_TIME_PASS_DIGITS,
    counter,
  });
}

/**
 * The otpauth:// URI an authenticator app scans [Key URI Format]. Algorithm,
 * digits and period are the format's defaults and omitted: a shorter URI gives a
 * coarser QR code, which more cameras can read.
 */
export function otpauthUri(
  secret: Buffer,
  issuer: string,
  label: string,
): string {
  const account = `${encodeURIComponent(issuer)}:${encodeURIComponent(label)}`;
  return `otpauth://totp/${account}?secret=${toBase32(secret)}&issuer=${encodeURIComponent(issuer)}`;
}
