import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';

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

/** Whether a verification is of a kind that is asked for. Where GAuthify did not name its kind, it is of none. */
export function isOfKind(
  { method }: MfaVerification,
  { methods }: RequireMfaOptions,
): boolean {
  return !methods || (method !== null && methods.includes(method));
}

/** Whether an earlier verification is young enough, and of a kind that is asked for. */
export function satisfies(
  verification: MfaVerification,
  policy: RequireMfaOptions,
  longestSeconds: number,
): boolean {
  const ageMs = Date.now() - verification.verifiedAt.getTime();
  if (ageMs > (policy.maxAgeSeconds ?? longestSeconds) * 1000) return false;
  return isOfKind(verification, policy);
}
