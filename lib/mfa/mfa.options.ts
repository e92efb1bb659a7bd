import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import type { ResolvedClientOptions } from '../client/client.options.js';
import type { MfaEvent } from './mfa-events.js';
import type { MfaGuard } from './mfa.guard.js';

/** The options of `GAuthifyModule`, checked, with defaults filled in; frozen. */
export interface GAuthifyResolvedOptions extends ResolvedClientOptions {
  readonly mfa: Readonly<MfaOptions>;
}

/** How `MfaGuard` reads requests and what it remembers. */
export interface MfaOptions {
  /** Reads the signed-in user's `unique_id`; `undefined` where nobody is signed in. @default `request.user.id`, then `request.user.sub` */
  userId?: ((request: any) => string | number | undefined) | undefined;

  /** Reads the code in the request; `undefined` where there is none. @default the header `x-mfa-code` */
  code?: ((request: any) => string | undefined) | undefined;

  /**
   * Accept a signed proof of a right code for a while; the browser or client
   * keeps it. Needs the package `jose`.
   *
   * @default none: each request needs a code
   */
  proof?: MfaProofOptions | undefined;

  /**
   * Whether the user needs a second factor at all. If it throws, rejects, or
   * returns anything but `true` or `false`, access is denied. `context` is
   * `undefined` in `checkConnection`.
   *
   * @default every user does
   */
  required?:
    | ((
        userId: string,
        context?: ExecutionContext,
      ) => boolean | Promise<boolean>)
    | undefined;

  /**
   * Let users in without a check while GAuthify is unreachable
   * (`GAuthifyService.isUnreachable`); each time is logged at `warn`.
   * `@RequireMfa({ safeMode })` decides for one route; `false`, here or there,
   * wins over `true`.
   *
   * @default 503, except where `@RequireMfa({ safeMode: true })` is
   */
  safeMode?: boolean | undefined;

  /** Called with each decision of the guard. Its errors are logged and change nothing. @default none */
  onEvent?: ((event: MfaEvent) => void | Promise<void>) | undefined;

  /**
   * Mounts ready-made routes for the signed-in user: `GET status`, `POST
   * challenge`, `POST verify`, `POST enroll`, `POST enroll/confirm`. Needs the
   * package `qrcode`. With `forRootAsync`, set it as `mfaRoutes` beside
   * `useFactory`: routes are mounted before the options are made.
   *
   * @default none
   */
  routes?: MfaRoutesOption | undefined;
}

/** How proofs are made. */
export interface MfaProofOptions {
  /**
   * Signs proofs (HMAC-SHA-256): at least 32 bytes, the same in every instance.
   * Several, newest first, for rotation: the first signs, all are accepted.
   */
  secret: string | readonly string[];

  /** How long a proof is accepted, seconds. @default 900 */
  ttlSeconds?: number | undefined;

  /**
   * Send the proof in a cookie, `HttpOnly; Secure; SameSite=Strict`, out of
   * reach of scripts: `true`, or the cookie's name.
   *
   * @default false; `true` names it `__Host-mfa_proof`
   */
  cookie?: boolean | string | undefined;

  /**
   * Send and accept the proof where scripts can read it: the header `x-mfa-proof`, `proof` in the bodies of `mfa.routes`,
   * `auth.mfaProof` of socket.io and `mfa.proof` of a message.
   *
   * @default true without `cookie`, false with it
   */
  header?: boolean | undefined;

  /**
   * Application that proofs are for (`aud`): those that share a secret accept
   * each other's proofs only where this is the same.
   *
   * @default derived from `apiKey`, so that a new API key ends all proofs
   */
  audience?: string | undefined;

  /**
   * How often GAuthify is asked about each user, seconds; `0`: never. After a question without an answer, it is asked again 2 seconds later. A deleted
   * user, or one whose epoch moved (key reset, address or number changed), loses
   * all proofs and verified sockets. While GAuthify cannot be asked, a proof is
   * accepted until it expires.
   *
   * @default 30
   */
  recheckSeconds?: number | undefined;

  /**
   * Reads what the proof is bound to besides the user, such as the session's id:
   * it is not accepted with another one. Where this returns `undefined`, an empty
   * string or no string, no proof is accepted, and none is made.
   *
   * @default the user alone
   */
  bindTo?: ((request: any) => string | undefined) | undefined;
}

/** Where the ready-made routes are: `true` is at `mfa`. */
export type MfaRoutesOption =
  | boolean
  | string
  | {
      /** @default `mfa` */
      path?: string | undefined;
      /**
       * Your subclass of `MfaGuard`, a provider or in `@UseGuards()`: the routes
       * read user, code, proofs and context with it, check and deny with it.
       *
       * @default `MfaGuard`
       */
      guard?: Type<MfaGuard> | undefined;
      /** Guards that sign people in, run before each route. @default none: a global guard does it */
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

/** What `@RequireMfa` requires. */
export interface RequireMfaOptions {
  /** Oldest second factor that counts, seconds, above 0. @default `mfa.proof.ttlSeconds` */
  maxAgeSeconds?: number | undefined;
  /** Kinds of code that are accepted. @default all */
  methods?: readonly AuthMethod[] | undefined;
  /** As `mfa.safeMode`, for this route; `false`, here or there, wins over `true`. @default `mfa.safeMode` */
  safeMode?: boolean | undefined;
}

/** A second factor that was accepted. */
export interface MfaVerification {
  /** The user's `unique_id`. */
  readonly userId: string;
  /** Kind of code; `null` with the hosted service, which does not send it. */
  readonly method: AuthMethod | null;
  readonly verifiedAt: Date;
  /** `GAuthifyUser.epoch` when the code was accepted: the verification ends when it moves. Absent with the hosted service, which does not send it. */
  readonly epoch?: string | undefined;
  /** The proof, where one was made for this request. A credential: keep it out of logs. */
  readonly proof?: string | undefined;
}
