import { HttpException } from '@nestjs/common';

/**
 * Why `MfaGuard` let nobody in: `code` of the body it answers with, for
 * programs. Stable.
 */
export type MfaDenialCode =
  | 'mfa_not_signed_in'
  | 'mfa_required'
  | 'mfa_invalid_code'
  | 'mfa_enrollment_required'
  | 'mfa_too_many_attempts'
  | 'mfa_unavailable';

/** Each denial's status and the sentence a person may be shown. */
const DENIALS: Record<MfaDenialCode, [status: number, message: string]> = {
  mfa_not_signed_in: [401, 'Sign in first.'],
  mfa_required: [401, 'A code of your authenticator app is required.'],
  mfa_invalid_code: [401, 'The code is wrong, or was used before.'],
  mfa_enrollment_required: [403, 'Set up your authenticator app first.'],
  mfa_too_many_attempts: [429, 'Too many attempts. Try again later.'],
  mfa_unavailable: [503, 'Codes cannot be checked now. Try again later.'],
};

/** The exception of a denial; its body is `{ statusCode, code, message }`. */
export function denial(code: MfaDenialCode, cause?: unknown): HttpException {
  const [statusCode, message] = DENIALS[code];
  return new HttpException({ statusCode, code, message }, statusCode, {
    cause,
    errorCode: code,
  });
}

/** `WWW-Authenticate` of a denial, which a 401 must have [RFC 9110 §15.5.2]. */
export function challenge(code: MfaDenialCode): string | undefined {
  const [status, message] = DENIALS[code];
  if (status !== 401) return undefined;
  // Not signed in at all is no matter of how strongly: a bare challenge.
  if (code === 'mfa_not_signed_in') return 'Bearer';
  return `Bearer error="insufficient_user_authentication", error_description="${message}"`;
}
