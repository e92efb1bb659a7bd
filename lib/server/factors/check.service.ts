import { Inject, Injectable } from '@nestjs/common';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { DATABASE, type Database } from '../store/database.js';
import type { Check, CheckOutcome, Settled } from './check.js';
import { CheckDecision } from './check-decision.js';

/** Checks that are decided in one unit of work at most. */
const MAX_BATCH = 64;

interface Waiting {
  check: Check;
  resolve: (outcome: CheckOutcome) => void;
  reject: (error: unknown) => void;
}

/**
 * Checks codes. Checks that wait at the same moment are decided together, in one
 * unit of work, and the answers leave after its commit. While one batch commits,
 * the next one gathers; a lone check waits for nobody.
 */
@Injectable()
export class CheckService {
  private waiting: Waiting[] = [];
  private running = 0;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly decision: CheckDecision,
  ) {}

  /**
   * Checks a code, and marks a right one as used.
   *
   * @throws RateLimitError if the user has to wait or is locked: the code is not compared
   * @throws NotFoundError if there is no such user
   */
  check(check: Check): Promise<CheckOutcome> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ check, resolve, reject });
      if (this.running < this.database.parallelUnits) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running += 1;
    let batch: Waiting[] | undefined;
    try {
      const settled = await this.database.unit((unit) => {
        // Taken when the unit begins: all that have arrived until then.
        batch ??= this.take();
        return this.decision.decide(
          unit,
          batch.map(({ check }) => check),
        );
      });
      settle(batch!, settled);
      this.refuseAlike(batch!, settled);
    } catch (error) {
      const isUnavailable = error instanceof ServerError;
      batch ??= isUnavailable ? this.waiting.splice(0) : this.take();
      await this.runEach(batch, error);
    } finally {
      this.running -= 1;
      if (this.waiting.length > 0) void this.run();
    }
  }

  /** The next batch: a user, or an Idempotency-Key, that occurs twice waits for the next one. */
  private take(): Waiting[] {
    const batch: Waiting[] = [];
    const rest: Waiting[] = [];
    const taken = new Set<string>();
    for (const waiting of this.waiting) {
      const { once } = waiting.check;
      const names = [nameOf(waiting.check)];
      if (once) names.push(`key ${once.request.id}`);
      if (batch.length < MAX_BATCH && !names.some((name) => taken.has(name))) {
        batch.push(waiting);
        for (const name of names) taken.add(name);
      } else rest.push(waiting);
    }
    this.waiting = rest;
    return batch;
  }

  /**
   * Refuses the waiting checks of users who have to wait: hundreds of guesses at
   * one user need not take hundreds of batches. One with a key may have an answer.
   */
  private refuseAlike(batch: Waiting[], settled: Settled[]): void {
    const refusals = new Map<string, RateLimitError>();
    settled.forEach((one, i) => {
      if ('error' in one && one.error instanceof RateLimitError)
        refusals.set(nameOf(batch[i]!.check), one.error);
    });
    if (refusals.size === 0) return;
    this.waiting = this.waiting.filter(({ check, reject }) => {
      const refusal = check.once ? undefined : refusals.get(nameOf(check));
      if (refusal) reject(refusal);
      return !refusal;
    });
  }

  /**
   * After a failure of the whole batch: each alone, so that nobody pays for another's row.
   * Not after a ServerError: the database as a whole was not available.
   */
  private async runEach(batch: Waiting[], failure: unknown): Promise<void> {
    const isRepeated =
      // A database that could not be reached is not to blame on a row.
      batch.length > 1 && !(failure instanceof ServerError);
    if (!isRepeated) {
      for (const { reject } of batch) reject(failure);
      return;
    }
    // At the same time: one may wait for a lock.
    await Promise.all(
      batch.map(async (waiting) => {
        try {
          const settled = await this.database.unit((unit) =>
            this.decision.decide(unit, [waiting.check]),
          );
          settle([waiting], settled);
        } catch (error) {
          waiting.reject(error);
        }
      }),
    );
  }
}

/** A realm contains no line break: each pair has its own name. */
function nameOf({ owner }: Check): string {
  return `user ${owner.realm}\n${owner.unique_id}`;
}

function settle(batch: Waiting[], settled: Settled[]): void {
  batch.forEach(({ resolve, reject }, i) => {
    const one = settled[i]!;
    if ('error' in one) reject(one.error);
    else resolve(one.outcome);
  });
}
