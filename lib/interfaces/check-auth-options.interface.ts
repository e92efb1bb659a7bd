import type { CallOptions } from './call-options.interface.js';

/** Options of `GAuthifyService.checkAuth`. */
export interface CheckAuthOptions extends CallOptions {
  /**
   * Let everyone in while GAuthify is unreachable: nobody answered the check,
   * and a probe of every access point failed too; see
   * `GAuthifyService.isUnreachable`. The probe takes up to `timeoutMs` of the
   * module more. Each person let in is logged at `warn`. Whoever can take
   * GAuthify down then needs no second factor.
   *
   * @default false
   */
  safeMode?: boolean | undefined;
}
