import type {
  MfaVerification,
  RequireMfaOptions,
} from '../interfaces/mfa-options.interface.js';

/** A user's id; a number counts as text, what is no text as nobody. */
export function asUserId(value: unknown): string | undefined {
  if (Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function isMissing(code: unknown): boolean {
  return (
    code === undefined ||
    code === null ||
    (typeof code === 'string' && code.trim() === '')
  );
}

/** Several headers of a name arrive as an array, or joined with commas: one attempt is one code. */
export function isOneCode(code: unknown): code is string {
  return typeof code === 'string' && !code.includes(',');
}

/** Whether a verification is young enough, and of a kind that is asked for. A kind nobody named is of none. */
export function satisfies(
  { method, verifiedAt }: MfaVerification,
  { maxAgeSeconds, methods }: RequireMfaOptions,
  longestSeconds: number,
): boolean {
  const ageMs = Date.now() - verifiedAt.getTime();
  if (ageMs > (maxAgeSeconds ?? longestSeconds) * 1000) return false;
  return !methods || (method !== null && methods.includes(method));
}
