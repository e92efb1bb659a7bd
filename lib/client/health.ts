import { defer, forkJoin, map, type Observable } from 'rxjs';
import { checkCallOptions } from './client.options.js';
import { attemptOnce } from './transport/attempt.js';
import type { GAuthifyTransport } from './transport/call.js';
import { HARMLESS_CALL } from './transport/http-client.js';
import type { AttemptResult } from './transport/retry-policy.js';

/** Options of `GAuthifyService.health`. */
export interface HealthOptions {
  /** Time for each access point, milliseconds. @default that of the module */
  timeoutMs?: number | undefined;
}

/** Whether an access point answers. */
export interface AccessPointHealth {
  /** As in the option `accessPoints`. */
  url: string;
  status: 'up' | 'down';
  /** How long it took to find out, milliseconds. */
  durationMs: number;
  /** Why it is down. */
  reason?: string;
}

/** Asks every access point at once; see `GAuthifyService.health`, which is its public form. */
export function accessPointsHealth(
  { http, pool, options }: GAuthifyTransport,
  given?: HealthOptions,
): Observable<AccessPointHealth[]> {
  return defer(() => {
    const { timeoutMs = options.timeoutMs } = checkCallOptions(given, [
      'timeoutMs',
    ]);
    const startedAt = performance.now();
    return forkJoin(
      pool.list().map((point) =>
        attemptOnce(http, point, HARMLESS_CALL, timeoutMs).pipe(
          map((result): AccessPointHealth => {
            const reason = problemOf(result);
            return {
              url: point.url,
              status: reason === undefined ? 'up' : 'down',
              durationMs: performance.now() - startedAt,
              ...(reason !== undefined && { reason }),
            };
          }),
        ),
      ),
    );
  });
}

/** Why an access point could not serve calls; `undefined` if it could. */
function problemOf(result: AttemptResult): string | undefined {
  if (result.kind === 'succeeded') return undefined;
  if (result.kind !== 'answered') return result.reason;
  const { httpStatus, errorCode } = result.error;
  const hint = httpStatus === 401 ? ': check the option apiKey' : '';
  return `answered ${httpStatus} (${errorCode})${hint}`;
}
