import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import type { AuthMethod } from '../dto/check-result.dto.js';
import type { MfaEvent } from './mfa-event.interface.js';

/** How `MfaGuard` reads requests and what it remembers. */
export interface MfaOptions {
  /**
   * The signed-in user's `unique_id`; `undefined` where nobody is signed in.
   *
   * @default `request.user.id`, then `request.user.sub`
   */
  userId?: (request: any) => string | number | undefined;

  /**
   * The code the user sent with the request; `undefined` where there is none.
   *
   * @default the header `x-mfa-code`
   */
  code?: (request: any) => string | undefined;

  /**
   * Remember a right code for a while, in a signed proof the browser or client
   * keeps. Needs the package `jose`.
   *
   * @default none: a code with each request
   */
  proof?: MfaProofOptions;

  /**
   * Who needs a second factor at all. What throws or rejects lets nobody in.
   * `context` is absent where a connection is checked (`checkConnection`).
   *
   * @default everybody
   */
  required?: (
    userId: string,
    context?: ExecutionContext,
  ) => boolean | Promise<boolean>;

  /**
   * Let people in without a check while GAuthify is unreachable, fails, or
   * refuses the API key; each time is logged at `warn`. `@RequireMfa({
   * safeMode })` decides for one route.
   *
   * @default false: 503
   */
  safeMode?: boolean;

  /**
   * Told what the guard decided. Its errors are logged and change nothing.
   *
   * @default none
   */
  onEvent?: (event: MfaEvent) => void | Promise<void>;

  /**
   * Mounts ready-made routes for the signed-in user: `GET status`, `POST
   * challenge`, `POST verify`, `POST enroll`, `POST enroll/confirm`. With
   * `forRootAsync` it is given there, beside `useFactory`.
   *
   * @default none
   */
  routes?: MfaRoutesOption;
}

/** How a proof is made. */
export interface MfaProofOptions {
  /**
   * Signs proofs (HMAC-SHA-256): at least 32 bytes. Several, newest first, for
   * rotation: the first signs, all are accepted. The same in every instance.
   */
  secret: string | readonly string[];

  /** How long a code is remembered, seconds. @default 900 */
  ttlSeconds?: number;

  /**
   * Also hand the proof over in a cookie, `HttpOnly; Secure; SameSite=Strict`:
   * `true`, or the cookie's name.
   *
   * @default false: only in the header `x-mfa-proof`; `true` names it `__Host-mfa_proof`
   */
  cookie?: boolean | string;

  /**
   * What the proof is bound to besides the user, such as the session's id: it
   * is worth nothing with another. `undefined` counts as no valid proof.
   *
   * @default the user alone
   */
  bindTo?: (request: any) => string | undefined;
}

/** Where the ready-made routes are: `true` is `mfa`. */
export type MfaRoutesOption =
  | boolean
  | string
  | {
      /** @default `mfa` */
      path?: string;
      /** What signs people in, run before each route. @default none: a global guard does */
      guards?: (Type<CanActivate> | CanActivate)[];
    };

/** What `@RequireMfa` asks for. */
export interface RequireMfaOptions {
  /** Oldest second factor that counts, seconds. @default as long as a proof lives */
  maxAgeSeconds?: number;
  /** Kinds of code that count. @default all */
  methods?: readonly AuthMethod[];
  /** As `mfa.safeMode`, for this route. @default `mfa.safeMode` */
  safeMode?: boolean;
}

/** A second factor that was accepted. */
export interface MfaVerification {
  /** The user's `unique_id`. */
  readonly userId: string;
  /** Kind of code; `null` where GAuthify did not say (the hosted service does not). */
  readonly method: AuthMethod | null;
  readonly verifiedAt: Date;
  /** The proof of it, where one was made for this very request. A credential: not for logs. */
  readonly proof?: string;
}
