import { Logger } from '@nestjs/common';
import { catchError, defer, map, type Observable, of } from 'rxjs';
import { isPossibleAuthCode } from '../contract/dto/auth-code.js';
import type { CheckResult } from '../contract/dto/check-result.dto.js';
import { calls } from './calls.js';
import {
  CALL_OPTIONS,
  type CallOptions,
  checkCallOptions,
} from './client.options.js';
import type { GAuthifyTransport } from './transport/call.js';
import { readCheckResult } from './transport/codec.js';

const logger = new Logger('GAuthifyService');

/** Options of `GAuthifyService.checkAuth`. */
export interface CheckAuthOptions extends CallOptions {
  /**
   * Let everyone in while GAuthify is unreachable: nobody answered the check, and
   * a probe of every access point failed too; see `GAuthifyService.isUnreachable`.
   * The probe takes up to twice `timeoutMs` of the module, and a second. Each person let in is
   * logged at `warn`. Anyone who can take GAuthify down then needs no second factor.
   *
   * @default false
   */
  safeMode?: boolean | undefined;
}

/** Checks a code; see `GAuthifyService.check`, which is its public form. */
export function check(
  transport: GAuthifyTransport,
  uniqueId: string,
  authCode: string,
  options?: CallOptions,
  known?: readonly string[],
): Observable<CheckResult> {
  return defer(() => {
    const given = checkCallOptions(options, known);
    const call = calls.check(uniqueId, authCode);
    const id = call.uniqueId!;
    if (!isPossibleAuthCode(call.params['auth_code']!))
      return of({ uniqueId: id, authenticated: false, method: null });
    return transport
      .call(call, given)
      .pipe(map((data) => readCheckResult(id, data)));
  });
}

/** Checks a code in safe mode or not; see `GAuthifyService.checkAuth`, which is its public form. */
export function checkAuth(
  transport: GAuthifyTransport,
  uniqueId: string,
  authCode: string,
  options: CheckAuthOptions | undefined,
  isUnreachable: (error: unknown) => Observable<boolean>,
): Observable<boolean> {
  const known = [...CALL_OPTIONS, 'safeMode'];
  const right$ = check(transport, uniqueId, authCode, options, known).pipe(
    map(({ authenticated }) => authenticated),
  );
  if (options?.safeMode !== true) return right$;
  return right$.pipe(
    catchError((error: unknown) =>
      isUnreachable(error).pipe(
        map((isOutage) => {
          if (!isOutage) throw error;
          // Written by our transport: access points and what happened at them.
          const { message } = (error as { cause: Error }).cause;
          logger.warn(`safeMode let someone in without a check: ${message}`);
          return true;
        }),
      ),
    ),
  );
}
