import type { MfaOptions } from './mfa-options.interface.js';

/** When a call goes on to another access point: `safe` or `legacy`; see {@link GAuthifyModuleOptions.retry}. */
export type RetryPolicy = 'safe' | 'legacy';

/** Options of `GAuthifyModule`. */
export interface GAuthifyModuleOptions {
  /** API key of your realm on the GAuthify server. */
  apiKey: string;

  /**
   * Base URLs of GAuthify, asked in this order. Each is http or https and ends
   * in `/v1/` (a missing last slash is added).
   *
   * @default the hosted ones, `https://alpha.gauthify.com/v1/` and `https://beta.gauthify.com/v1/`
   */
  accessPoints?: string[];

  /**
   * Time for one attempt at one access point, milliseconds.
   *
   * @default 5000
   */
  timeoutMs?: number;

  /**
   * Time for a call, all its attempts together, milliseconds.
   *
   * @default no limit but `timeoutMs` for each access point
   */
  totalTimeoutMs?: number;

  /**
   * How long an access point that failed is left alone, milliseconds, before a
   * single call tries it again. While all are left alone, they are tried all
   * the same.
   *
   * @default 30000
   */
  accessPointCooldownMs?: number;

  /**
   * When a call goes on to another access point.
   *
   * `safe`: never where something could happen twice. Of a check, a send or a
   * new user whose answer was lost, that is only where GAuthify knows the call
   * again by its `Idempotency-Key`; else it is a `ServerError`.
   * Where there are several access points, the first such call at each waits for
   * a `GET errors/` there, which says whether it does.
   *
   * `legacy`: as the old GAuthify clients, after whatever is no answer. A
   * person may then get two SMS, or be told that a right code is wrong.
   *
   * @default `safe`
   */
  retry?: RetryPolicy;

  /**
   * Most connections to one access point at a time; further calls wait for
   * one, within their `timeoutMs`. Not used with an `http` module of your own.
   *
   * @default 128
   */
  maxSockets?: number;

  /** How `MfaGuard` reads requests. */
  mfa?: MfaOptions | undefined;
}
