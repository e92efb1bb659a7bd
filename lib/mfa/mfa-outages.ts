import { Injectable, Logger } from '@nestjs/common';
import { isGAuthifyError } from '../contract/errors/gauthify.error.js';
import { describeOutage } from './describe-outage.js';

const QUIET_MS = 60_000;

/** Logs that GAuthify cannot be asked: each kind of failure once a minute, with how often it happened in between. */
@Injectable()
export class MfaOutages {
  private readonly logger = new Logger('MfaGuard');
  private readonly kinds = new Map<string, { until: number; more: number }>();

  report(error: unknown): void {
    const kind = kindOf(error);
    const known = this.kinds.get(kind);
    if (known && Date.now() < known.until) {
      known.more += 1;
      return;
    }
    this.kinds.set(kind, { until: Date.now() + QUIET_MS, more: 0 });
    const repeated = known?.more
      ? ` (${known.more} more since the last such line)`
      : '';
    this.logger.error(
      `Second factors cannot be checked: ${describeOutage(error)}${repeated}`,
    );
  }
}

/** One of few, for each is remembered. */
function kindOf(error: unknown): string {
  const name = error instanceof Error ? error.name : typeof error;
  return isGAuthifyError(error) ? `${name} ${error.httpStatus}` : name;
}
