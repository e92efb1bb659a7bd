import { Injectable, Logger } from '@nestjs/common';
import { ApiKeyError } from '../contract/errors/api-key.error.js';
import { isGAuthifyError } from '../contract/errors/gauthify.error.js';

const QUIET_MS = 60_000;

/** Logs that codes cannot be checked: each kind of failure once a minute, with the number of repetitions since. */
@Injectable()
export class OutageLog {
  private readonly logger = new Logger('MfaGuard');
  private readonly kinds = new Map<
    string,
    { until: number; repetitions: number }
  >();

  report(error: unknown): void {
    const kind = kindOf(error);
    const known = this.kinds.get(kind);
    if (known && Date.now() < known.until) {
      known.repetitions += 1;
      return;
    }
    this.kinds.set(kind, { until: Date.now() + QUIET_MS, repetitions: 0 });
    const repeated = known?.repetitions
      ? ` (${known.repetitions} more since the last such line)`
      : '';
    this.logger.error(
      `Second factors cannot be checked: ${describeOutage(error)}${repeated}`,
    );
  }
}

/** One of a small set, because each is remembered. */
function kindOf(error: unknown): string {
  const name = error instanceof Error ? error.name : typeof error;
  return isGAuthifyError(error) ? `${name} ${error.httpStatus}` : name;
}

/**
 * Why codes cannot be checked, for the log. Quotes no sentence of GAuthify or of
 * a library: it may hold the API key or a code.
 */
export function describeOutage(error: unknown): string {
  if (error instanceof ApiKeyError)
    return 'GAuthify refuses the API key; check the option apiKey.';
  if (!isGAuthifyError(error))
    return `the check failed with ${error instanceof Error ? error.name : typeof error}.`;
  const { cause, errorCode, httpStatus } = error;
  // Our own client wrote this message: access points, and what happened there.
  if (errorCode === 'unreachable')
    return `GAuthify cannot be asked. ${cause instanceof Error ? cause.message : ''}`;
  return `GAuthify answered ${httpStatus} (${errorCode}).`;
}
