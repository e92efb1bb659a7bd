import type { AuthMethod } from '../contract/dto/check-result.dto.js';

/**
 * Why `MfaGuard` let nobody in: `code` of the body it answers with, for
 * programs. Stable.
 */
export type MfaDenialCode =
  | 'mfa_not_signed_in'
  | 'mfa_required'
  | 'mfa_invalid_code'
  | 'mfa_code_missing'
  | 'mfa_code_not_text'
  | 'mfa_enrollment_required'
  | 'mfa_too_many_attempts'
  | 'mfa_unavailable';

/** What is thrown: the body of an HTTP answer, `error` of a WebSocket or microservice exception. */
export interface MfaDenialBody {
  statusCode: number;
  code: MfaDenialCode;
  message: string;
  /** Of `mfa_required`: what this user can be asked for here; absent where GAuthify could not be asked. */
  methods?: readonly AuthMethod[] | undefined;
  /** Oldest second factor that counts here; absent where any that is remembered does. */
  maxAgeSeconds?: number | undefined;
  /** Of `mfa_too_many_attempts`, where GAuthify said. */
  retryAfterSeconds?: number | undefined;
}

/** What a denial holds besides its code. */
export type MfaDenialDetails = Pick<
  MfaDenialBody,
  'methods' | 'maxAgeSeconds' | 'retryAfterSeconds'
>;

/** Each denial's status and the sentence a person may be shown. */
const DENIALS: Record<MfaDenialCode, [status: number, message: string]> = {
  mfa_not_signed_in: [401, 'Sign in first.'],
  mfa_required: [401, 'A code of your authenticator app is required.'],
  mfa_invalid_code: [401, 'The code is wrong, or was used before.'],
  mfa_code_missing: [400, 'Send the code: { "code": "123456" }.'],
  mfa_code_not_text: [
    400,
    'code must be a string: a number loses the zeros it starts with.',
  ],
  mfa_enrollment_required: [403, 'Set up your authenticator app first.'],
  mfa_too_many_attempts: [429, 'Too many attempts. Try again later.'],
  mfa_unavailable: [503, 'Codes cannot be checked now. Try again later.'],
};

export function denialBody(
  code: MfaDenialCode,
  details: MfaDenialDetails = {},
): MfaDenialBody {
  const [statusCode, message] = DENIALS[code];
  return { statusCode, code, message, ...details };
}

/** `WWW-Authenticate` of a denial, which a 401 must have [RFC 9110 §15.5.2]. */
export function challengeHeader(body: MfaDenialBody): string | undefined {
  if (body.statusCode !== 401) return undefined;
  // Not signed in at all is no matter of how strongly: a bare challenge.
  if (body.code === 'mfa_not_signed_in') return 'Bearer';
  // RFC 9470 §3
  return [
    'Bearer error="insufficient_user_authentication"',
    `error_description="${body.message}"`,
    `acr_values="${body.methods?.join(' ') || 'mfa'}"`,
    ...(body.maxAgeSeconds === undefined
      ? []
      : [`max_age="${body.maxAgeSeconds}"`]),
  ].join(', ');
}
