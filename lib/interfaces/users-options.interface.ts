import type { CallOptions } from './call-options.interface.js';

/** Options of `GAuthifyService.users`. Times are those of one page. */
export interface UsersOptions extends CallOptions {
  /** Users a request, 1–1000. @default 100 */
  pageSize?: number | undefined;
}
