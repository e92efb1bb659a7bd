import type { CallOptions } from './call-options.interface.js';

/** Options of `GAuthifyService.checkAuth`. */
export interface CheckAuthOptions extends CallOptions {
  /**
   * Let everyone in while GAuthify cannot check codes: it is unreachable, it
   * fails, or it refuses the API key. Each time this decides, it is logged at
   * `warn`. Whoever can take GAuthify down then needs no second factor.
   *
   * @default false
   */
  safeMode?: boolean | undefined;
}
