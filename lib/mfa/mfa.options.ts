import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import {
  invalid,
  type ResolvedClientOptions,
} from '../client/client.options.js';
import type { MfaEvent } from './mfa-event.interface.js';

/** The options of `GAuthifyModule`, checked, with defaults filled in; frozen. */
export interface GAuthifyResolvedOptions extends ResolvedClientOptions {
  readonly mfa: Readonly<MfaOptions>;
}

/** How `MfaGuard` reads requests and what it remembers. */
export interface MfaOptions {
  /**
   * The signed-in user's `unique_id`; `undefined` where nobody is signed in.
   *
   * @default `request.user.id`, then `request.user.sub`
   */
  userId?: ((request: any) => string | number | undefined) | undefined;

  /**
   * The code the user sent with the request; `undefined` where there is none.
   *
   * @default the header `x-mfa-code`
   */
  code?: ((request: any) => string | undefined) | undefined;

  /**
   * Remember a right code for a while, in a signed proof the browser or client
   * keeps. Needs the package `jose`.
   *
   * @default none: a code with each request
   */
  proof?: MfaProofOptions | undefined;

  /**
   * Who needs a second factor at all. If it throws, rejects, or returns anything
   * but `true` or `false`, access is denied. `context` is absent where a connection is checked (`checkConnection`).
   *
   * @default everybody
   */
  required?:
    | ((
        userId: string,
        context?: ExecutionContext,
      ) => boolean | Promise<boolean>)
    | undefined;

  /**
   * Let people in without a check while GAuthify is unreachable
   * (`GAuthifyService.isUnreachable`); each time is logged at `warn`.
   * `@RequireMfa({ safeMode })` decides for one route; `false`, here or there,
   * wins over `true`.
   *
   * @default none: 503, unless `@RequireMfa({ safeMode: true })` says otherwise
   */
  safeMode?: boolean | undefined;

  /**
   * Told what the guard decided. Its errors are logged and change nothing.
   *
   * @default none
   */
  onEvent?: ((event: MfaEvent) => void | Promise<void>) | undefined;

  /**
   * Mounts ready-made routes for the signed-in user: `GET status`, `POST
   * challenge`, `POST verify`, `POST enroll`, `POST enroll/confirm`. Needs the
   * package `qrcode`. With `forRootAsync` it is given there, as `mfaRoutes`
   * beside `useFactory`.
   *
   * @default none
   */
  routes?: MfaRoutesOption | undefined;
}

/** How a proof is made. */
export interface MfaProofOptions {
  /**
   * Signs proofs (HMAC-SHA-256): at least 32 bytes. Several, newest first, for
   * rotation: the first signs, all are accepted. The same in every instance.
   */
  secret: string | readonly string[];

  /** How long a code is remembered, seconds. @default 900 */
  ttlSeconds?: number | undefined;

  /**
   * Hand the proof over in a cookie, `HttpOnly; Secure; SameSite=Strict`, out of
   * reach of scripts: `true`, or the cookie's name.
   *
   * @default false; `true` names it `__Host-mfa_proof`
   */
  cookie?: boolean | string | undefined;

  /**
   * Hand the proof over where scripts can read it, and take it from there: the
   * header `x-mfa-proof`, `proof` in the bodies of `mfa.routes`,
   * `auth.mfaProof` of socket.io and `mfa.proof` of a message.
   *
   * @default true without `cookie`, false with it
   */
  header?: boolean | undefined;

  /**
   * Whom proofs are for (`aud`): applications that share a secret accept each
   * other's only where they name the same.
   *
   * @default derived from `apiKey`, so that a new API key ends all proofs
   */
  audience?: string | undefined;

  /**
   * How often GAuthify is asked, for each user, whether the user was deleted,
   * or their epoch moved (key reset, address or number changed), which ends
   * their proofs and verified sockets; seconds. `0`: never. While GAuthify
   * cannot be asked, a proof stands until it expires.
   *
   * @default 30
   */
  recheckSeconds?: number | undefined;

  /**
   * What the proof is bound to besides the user, such as the session's id: it
   * is not accepted with another. Where it returns `undefined`, an empty string
   * or no string, no proof is accepted, and none is made.
   *
   * @default the user alone
   */
  bindTo?: ((request: any) => string | undefined) | undefined;
}

/** Where the ready-made routes are: `true` is `mfa`. */
export type MfaRoutesOption =
  | boolean
  | string
  | {
      /** @default `mfa` */
      path?: string | undefined;
      /** What signs people in, run before each route. @default none: a global guard does */
      guards?: (Type<CanActivate> | CanActivate)[] | undefined;
      /**
       * Kinds of code that may change the factor of an enrolled user although
       * they are weaker than the strongest the user has
       * (`MFA_METHOD_STRENGTH`). Whoever reads the user's mailbox and knows
       * their password can then take over the account.
       *
       * @default none
       */
      recoverBy?: readonly ('email' | 'sms' | 'voice')[] | undefined;
    };

/** What `@RequireMfa` asks for. */
export interface RequireMfaOptions {
  /** Oldest second factor that counts, seconds, above 0. @default as long as a proof lives */
  maxAgeSeconds?: number | undefined;
  /** Kinds of code that count. @default all */
  methods?: readonly AuthMethod[] | undefined;
  /** As `mfa.safeMode`, for this route; `false`, here or there, wins over `true`. @default `mfa.safeMode` */
  safeMode?: boolean | undefined;
}

/** A second factor that was accepted. */
export interface MfaVerification {
  /** The user's `unique_id`. */
  readonly userId: string;
  /** Kind of code; `null` where GAuthify did not say (the hosted service does not). */
  readonly method: AuthMethod | null;
  readonly verifiedAt: Date;
  /** `GAuthifyUser.epoch` when the code was accepted: the verification ends when it moves. Absent where GAuthify does not say (the hosted service does not). */
  readonly epoch?: string | undefined;
  /** The proof of it, where one was made for this very request. A credential: not for logs. */
  readonly proof?: string | undefined;
}

// The output of the hash that signs [RFC 7518 §3.2].
const MIN_SECRET_BYTES = 32;

/**
 * Checks the option `mfa`.
 *
 * @throws Error one sentence that names the option and says what to do
 */
export function checkMfaOptions(
  mfa: MfaOptions | undefined,
): Readonly<MfaOptions> {
  if (mfa === undefined) return Object.freeze({});
  if (typeof mfa !== 'object' || mfa === null)
    throw invalid('mfa', 'must be an object');
  for (const name of ['userId', 'code'] as const)
    if (mfa[name] !== undefined && typeof mfa[name] !== 'function')
      throw invalid(
        `mfa.${name}`,
        `must be a function that takes the request and returns the ${name === 'code' ? 'code' : 'user’s id'}`,
      );
  for (const name of ['required', 'onEvent'] as const)
    if (mfa[name] !== undefined && typeof mfa[name] !== 'function')
      throw invalid(`mfa.${name}`, 'must be a function');
  if (mfa.safeMode !== undefined && typeof mfa.safeMode !== 'boolean')
    throw invalid('mfa.safeMode', 'must be true or false');
  if (mfa.proof === undefined) return Object.freeze({ ...mfa });
  checkProof(mfa.proof);
  return Object.freeze({ ...mfa, proof: Object.freeze({ ...mfa.proof }) });
}

function checkProof(proof: MfaProofOptions): void {
  const secrets: unknown[] = [proof?.secret].flat();
  if (
    secrets.length === 0 ||
    secrets.some(
      (secret) =>
        typeof secret !== 'string' ||
        Buffer.byteLength(secret) < MIN_SECRET_BYTES,
    )
  )
    throw invalid(
      'mfa.proof.secret',
      `must be a string of at least ${MIN_SECRET_BYTES} bytes, or several of them, newest first: make one with openssl rand -base64 32`,
    );
  const { ttlSeconds, cookie, header, audience, recheckSeconds, bindTo } =
    proof;
  if (
    ttlSeconds !== undefined &&
    !(Number.isInteger(ttlSeconds) && ttlSeconds > 0)
  )
    throw invalid('mfa.proof.ttlSeconds', 'must be a whole number above 0');
  if (bindTo !== undefined && typeof bindTo !== 'function')
    throw invalid(
      'mfa.proof.bindTo',
      'must be a function that takes the request and returns the session’s id',
    );
  if (
    typeof cookie === 'string'
      ? !/^[\w!#$%&'*+.^`|~-]+$/.test(cookie)
      : cookie !== undefined && typeof cookie !== 'boolean'
  )
    throw invalid('mfa.proof.cookie', 'must be true, or the name of a cookie');
  if (header !== undefined && typeof header !== 'boolean')
    throw invalid('mfa.proof.header', 'must be true or false');
  if (header === false && !cookie)
    throw invalid(
      'mfa.proof.header',
      'is false and mfa.proof.cookie is not set, so that no proof could be handed over: set cookie, or leave out header',
    );
  if (
    audience !== undefined &&
    !(typeof audience === 'string' && audience !== '')
  )
    throw invalid('mfa.proof.audience', 'must be a string that is not empty');
  if (
    recheckSeconds !== undefined &&
    !(Number.isFinite(recheckSeconds) && recheckSeconds >= 0)
  )
    throw invalid(
      'mfa.proof.recheckSeconds',
      'must be a number of seconds, or 0 for never',
    );
}
