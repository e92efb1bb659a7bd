import type { MfaOptions } from './mfa-options.interface.js';

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

  /** How `MfaGuard` reads requests. */
  mfa?: MfaOptions;
}
