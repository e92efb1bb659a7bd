import { Inject, Injectable } from '@nestjs/common';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { Observer } from '../observability/observer.js';
import { DATABASE, type Database } from '../store/database.js';
import type { Check, CheckOutcome, Settled, Skipped } from './check.js';
import { CheckDecision } from './check-decision.js';
import { CheckQueue, type WaitingCheck } from './check-queue.js';

/** Checks that are decided alone at the same time: each may wait for a lock, and keeps a connection. */
const MAX_ALONE = 3;

/**
 * Checks codes. Checks that wait at the same moment are decided together, in one
 * unit of work, and the answers leave after its commit. While one batch commits,
 * the next one gathers; a single check does not wait for others.
 *
 * A batch waits for no user: a check of a user whose row is locked by another unit
 * of work is decided alone, afterwards.
 */
@Injectable()
export class CheckService {
  private readonly queue = new CheckQueue();
  private running = 0;
  private runningAlone = 0;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly decision: CheckDecision,
    private readonly observer: Observer,
  ) {}

  /**
   * Checks a code, and marks a right one as used.
   *
   * @throws RateLimitError if the user has to wait or is locked, or if 100 of their checks have no
   *   answer yet: the code is not compared
   * @throws NotFoundError if there is no such user
   */
  check(check: Check): Promise<CheckOutcome> {
    return this.observer.check(
      check.owner.realm,
      this.queue.add(check, () => this.start()),
    );
  }

  /** Starts what can be started. */
  private start(): void {
    if (this.running < this.database.parallelUnits && this.queue.hasBatch)
      void this.run();
    while (this.runningAlone < MAX_ALONE) {
      const next = this.queue.takeAlone();
      if (!next) break;
      void this.runAlone(next);
    }
  }

  private async run(): Promise<void> {
    this.running += 1;
    let batch: WaitingCheck[] | undefined;
    try {
      const settled = await this.database.unit((unit) => {
        // Taken when the unit begins: all that have arrived until then.
        batch ??= this.queue.takeBatch();
        return this.decision.decide(unit, checksOf(batch), false);
      }, 'checks');
      this.observer.batch(batch!.length);
      this.settle(batch!, settled);
    } catch (error) {
      if (error instanceof ServerError)
        // The database could not be reached: repeating them one by one would not help.
        rejectAll(batch ?? this.queue.removeTogether(), error);
      else {
        batch ??= this.queue.takeBatch();
        // Each is repeated alone: one bad row must not fail the others.
        if (batch.length > 1) this.queue.putAlone(...batch);
        else rejectAll(batch, error);
      }
    } finally {
      this.running -= 1;
      this.queue.release(batch ?? []);
      this.start();
    }
  }

  private async runAlone(waiting: WaitingCheck): Promise<void> {
    this.runningAlone += 1;
    try {
      const settled = await this.database.unit(
        (unit) => this.decision.decide(unit, [waiting.check], true),
        'checks',
      );
      this.settle([waiting], settled);
    } catch (error) {
      // The others of the user would wait as long, one after the other, and fail too.
      const others = this.queue.removeOf(new Set([waiting.user]));
      rejectAll([waiting, ...others], error);
    } finally {
      this.runningAlone -= 1;
      this.queue.release([waiting]);
      this.start();
    }
  }

  private settle(
    batch: readonly WaitingCheck[],
    settled: readonly (Settled | Skipped)[],
  ): void {
    const refusals = new Map<string, RateLimitError>();
    batch.forEach((waiting, i) => {
      const one = settled[i]!;
      if ('outcome' in one) waiting.resolve(one.outcome);
      else if ('skipped' in one) this.queue.putAlone(waiting);
      else {
        waiting.reject(one.error);
        if (one.error instanceof RateLimitError)
          refusals.set(waiting.user, one.error);
      }
    });
    if (refusals.size > 0) void this.refuseAlike(refusals);
  }

  /**
   * Refuses the waiting checks of users who have to wait: hundreds of guesses at
   * one user need not take hundreds of batches. A check with a key gets its stored
   * answer, if there is one.
   */
  private async refuseAlike(
    refusals: Map<string, RateLimitError>,
  ): Promise<void> {
    const alike = this.queue.removeOf(refusals);
    for (const { check, user, reject } of alike)
      if (!check.once) reject(refusals.get(user));
    const keyed = alike.filter(({ check }) => check.once);
    for (const some of CheckQueue.slices(keyed))
      try {
        const answers = await this.decision.answered(
          this.database.read,
          checksOf(some),
        );
        some.forEach(({ user, resolve, reject }, j) => {
          const one = answers[j] ?? { error: refusals.get(user) };
          if ('outcome' in one) resolve(one.outcome);
          else reject(one.error);
        });
      } catch (error) {
        rejectAll(some, error);
      }
  }
}

const checksOf = (batch: readonly WaitingCheck[]) =>
  batch.map(({ check }) => check);

function rejectAll(batch: readonly WaitingCheck[], error: unknown): void {
  for (const { reject } of batch) reject(error);
}
