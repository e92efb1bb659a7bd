import { HttpException } from '@nestjs/common';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';

/** Each denial's status, and the sentence to show a person. */
const DENIALS = {
  mfa_not_signed_in: [401, 'Sign in first.'],
  mfa_required: [401, 'A code is required.'],
  mfa_invalid_code: [401, 'The code is wrong, or was used before.'],
  mfa_code_missing: [400, 'Send the code: { "code": "123456" }.'],
  mfa_code_not_text: [
    400,
    'code must be a string: a number loses its leading zeros.',
  ],
  mfa_enrollment_required: [403, 'Set up your authenticator app first.'],
  mfa_too_many_attempts: [429, 'Too many attempts. Try again later.'],
  mfa_unavailable: [503, 'Codes cannot be checked now. Try again later.'],
  mfa_unknown_method: [400, 'method must be email, sms or voice.'],
  mfa_method_unavailable: [
    400,
    'There is no address of this kind to send a code to.',
  ],
  mfa_not_json: [415, 'Send JSON: content-type application/json.'],
} as const satisfies Record<string, readonly [status: number, string]>;

/** Why access was denied: `code` of the body, for programs. Stable. */
export type MfaDenialCode = keyof typeof DENIALS;

/** What is thrown: the body of an HTTP response, `error` of a WebSocket or microservice exception. */
export interface MfaDenialBody extends MfaDenialDetails {
  statusCode: number;
  code: MfaDenialCode;
  message: string;
}

/** What a denial holds besides its code. */
export interface MfaDenialDetails {
  /** With `mfa_required`: the kinds of code this user can be asked for here; absent while GAuthify cannot be asked. */
  methods?: readonly AuthMethod[] | undefined;
  /** With `mfa_required`: oldest second factor that counts here, seconds; absent where `@RequireMfa` names none. */
  maxAgeSeconds?: number | undefined;
  /** With `mfa_too_many_attempts`, where GAuthify said it. */
  retryAfterSeconds?: number | undefined;
}

/** Access is denied: the result of a decision. */
export interface MfaDenied {
  readonly outcome: 'denied';
  readonly code: MfaDenialCode;
  readonly details?: MfaDenialDetails | undefined;
  readonly cause?: unknown;
}

/** What came of an attempt. */
export type SecondFactorResult =
  | {
      readonly outcome: 'admitted';
      readonly verification: MfaVerification;
      /** A proof made for this attempt, to be handed to the user. */
      readonly proof?: string | undefined;
    }
  /** Let in without a second factor: by `mfa.required` or safe mode. */
  | { readonly outcome: 'bypassed' }
  /** Nothing that satisfies `policy`: `challenge` says what does. */
  | { readonly outcome: 'missing'; readonly policy: RequireMfaOptions }
  | MfaDenied;

export const denied = (
  code: MfaDenialCode,
  details?: MfaDenialDetails,
  cause?: unknown,
): MfaDenied => ({ outcome: 'denied', code, details, cause });

export function denialBody(
  code: MfaDenialCode,
  details: MfaDenialDetails = {},
): MfaDenialBody {
  const [statusCode, sentence] = DENIALS[code];
  const message = code === 'mfa_required' ? requiredCode(details) : sentence;
  return { statusCode, code, message, ...details };
}

/** Where the user gets each kind of code. */
const SOURCES: Record<AuthMethod, string> = {
  totp: 'from your authenticator app',
  otp: 'from your one-time pass',
  recovery: 'from your recovery codes',
  email: 'by e-mail',
  sms: 'by SMS',
  voice: 'by phone call',
};

/** Asks for a code that this user can bring, and says how fresh it must be. */
function requiredCode({ methods = [], maxAgeSeconds }: MfaDenialDetails) {
  const sources = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(
    methods.map((method) => SOURCES[method]),
  );
  const code = sources === '' ? 'A code' : `A code ${sources}`;
  if (maxAgeSeconds === undefined) return `${code} is required.`;
  const [count, unit] =
    maxAgeSeconds % 60 === 0
      ? [maxAgeSeconds / 60, 'minute']
      : [maxAgeSeconds, 'second'];
  const time = count === 1 ? unit : `${count} ${unit}s`;
  return `${code}, entered in the last ${time}, is required.`;
}

/** Headers of a denial. A 401 must have `WWW-Authenticate` [RFC 9110 §15.5.2]. */
export function denialHeaders(body: MfaDenialBody): [string, string][] {
  const headers: [string, string][] = [];
  if (body.statusCode === 401)
    headers.push(['WWW-Authenticate', authenticateHeader(body)]);
  if (body.retryAfterSeconds !== undefined)
    headers.push(['Retry-After', String(body.retryAfterSeconds)]);
  return headers;
}

function authenticateHeader(body: MfaDenialBody): string {
  // Nobody is signed in: the strength of the authentication does not matter yet.
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

/**
 * The exception of a denial: `HttpException` for HTTP and GraphQL, `WsException`
 * and `RpcException` with the same body for WebSockets and microservices, whose
 * packages are installed where they are used.
 */
export async function denialException(
  transport: string,
  body: MfaDenialBody,
  cause?: unknown,
): Promise<Error> {
  if (transport === 'ws') {
    const { WsException } = await import('@nestjs/websockets');
    return new WsException(body);
  }
  if (transport === 'rpc') {
    const { RpcException } = await import('@nestjs/microservices');
    return new RpcException(body);
  }
  const exception = new HttpException(body, body.statusCode, {
    cause,
    errorCode: body.code,
  });
  // graphql-js shows `extensions` besides the message. Apollo's driver shows
  // the body by itself; the one of Mercurius shows `extensions` alone.
  return transport === 'graphql'
    ? Object.assign(exception, { extensions: body })
    : exception;
}
