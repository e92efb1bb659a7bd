import { HOTP, Secret, TOTP } from 'otpauth';
import { arrayBuffer } from '../store/random.js';

/** Digits of a TOTP code and of a sent code. */
export const CODE_DIGITS = 6;
/** Digits of a one-time pass: a different length distinguishes it from the other codes. */
export const ONE_TIME_PASS_DIGITS = 8;
/** Length of a TOTP step, seconds [RFC 6238 §4.1]. */
export const STEP_SECONDS = 30;

/** How a TOTP code is computed. */
export interface TotpParameters {
  algorithm: 'SHA1' | 'SHA256' | 'SHA512';
  digits: number;
  /** length of a step, seconds */
  period: number;
}

/** Every authenticator app supports these; several ignore any others in the QR code. */
export const TOTP_DEFAULTS: TotpParameters = {
  algorithm: 'SHA1',
  digits: CODE_DIGITS,
  period: STEP_SECONDS,
};

/** One-time passes: HOTP [RFC 4226]. */
export const PASS_PARAMETERS: TotpParameters = {
  algorithm: 'SHA1',
  digits: ONE_TIME_PASS_DIGITS,
  period: 0,
};

/** Base32 without padding, as authenticator apps read it. */
export function toBase32(secret: Buffer): string {
  return new Secret({ buffer: arrayBuffer(secret) }).base32;
}

/** The TOTP step of a time in milliseconds. */
export function stepAt(timeMs: number, period = STEP_SECONDS): number {
  return Math.floor(timeMs / 1000 / period);
}

/** The TOTP code of a step [RFC 6238]. */
export function totpCode(
  secret: Buffer,
  step: number,
  { algorithm, digits }: TotpParameters = TOTP_DEFAULTS,
): string {
  return HOTP.generate({
    secret: new Secret({ buffer: arrayBuffer(secret) }),
    algorithm,
    digits,
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
  { algorithm, digits, period }: TotpParameters = TOTP_DEFAULTS,
): number | undefined {
  const delta = TOTP.validate({
    token: code,
    secret: new Secret({ buffer: arrayBuffer(secret) }),
    algorithm,
    digits,
    period,
    timestamp: timeMs,
    window,
  });
  return delta === null ? undefined : stepAt(timeMs, period) + delta;
}

/** The one-time pass at a counter [RFC 4226]. */
export function oneTimePass(secret: Buffer, counter: number): string {
  return HOTP.generate({
    secret: new Secret({ buffer: arrayBuffer(secret) }),
    algorithm: 'SHA1',
    digits: ONE_TIME_PASS_DIGITS,
    counter,
  });
}

/**
 * The otpauth:// URI an authenticator app scans [Key URI Format]. Parameters that
 * are the format's defaults are omitted: a shorter URI gives a coarser QR code,
 * which more cameras can read.
 */
export function otpauthUri(
  secret: Buffer,
  issuer: string,
  label: string,
  { algorithm, digits, period }: TotpParameters = TOTP_DEFAULTS,
): string {
  const account = `${encodeURIComponent(issuer)}:${encodeURIComponent(label)}`;
  let uri = `otpauth://totp/${account}?secret=${toBase32(secret)}&issuer=${encodeURIComponent(issuer)}`;
  if (algorithm !== TOTP_DEFAULTS.algorithm) uri += `&algorithm=${algorithm}`;
  if (digits !== TOTP_DEFAULTS.digits) uri += `&digits=${digits}`;
  if (period !== TOTP_DEFAULTS.period) uri += `&period=${period}`;
  return uri;
}
