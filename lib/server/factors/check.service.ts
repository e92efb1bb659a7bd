import { Inject, Injectable } from '@nestjs/common';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { Observer } from '../observability/observer.js';
import { DATABASE, type Database } from '../store/database.js';
import type { Check, CheckOutcome, Settled, Skipped } from './check.js';
import { CheckDecision } from './check-decision.js';

/** Checks that are decided in one unit of work at most. */
const MAX_BATCH = 64;
/** Checks that are decided alone at the same time: each may wait for a lock, and keeps a connection. */
const MAX_ALONE = 3;

/** Checks of one user that wait at the same time. */
const MAX_OF_USER = 100;

interface Waiting {
  check: Check;
  /** names the user */
  user: string;
  /** name the user and the Idempotency-Key: checks with a name in common are decided one after the other */
  names: readonly string[];
  resolve: (outcome: CheckOutcome) => void;
  reject: (error: unknown) => void;
}

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
  private waiting: Waiting[] = [];
  /** Those that wait to be decided alone. */
  private alone: Waiting[] = [];
  /** Names in the checks that are being decided. */
  private readonly held = new Set<string>();
  /** How many checks of each user have no answer yet. */
  private readonly ofUser = new Map<string, number>();
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
    return this.observer.check(check.owner.realm, this.decide(check));
  }

  private async decide(check: Check): Promise<CheckOutcome> {
    const { owner, once } = check;
    // A realm contains no line break: each pair has its own name.
    const user = `user ${owner.realm}\n${owner.unique_id}`;
    const names = once ? [user, `key ${once.request.id}`] : [user];
    const others = this.ofUser.get(user) ?? 0;
    if (others >= MAX_OF_USER) throw tooManyAtOnce();
    this.ofUser.set(user, others + 1);
    try {
      return await new Promise((resolve, reject) => {
        this.waiting.push({ check, user, names, resolve, reject });
        this.start();
      });
    } finally {
      const left = this.ofUser.get(user)! - 1;
      if (left > 0) this.ofUser.set(user, left);
      else this.ofUser.delete(user);
    }
  }

  /** Starts what can be started. */
  private start(): void {
    const isFree = (waiting: Waiting) => this.isFree(waiting);
    if (this.running < this.database.parallelUnits && this.waiting.some(isFree))
      void this.run();
    while (this.runningAlone < MAX_ALONE) {
      const next = this.alone.findIndex(isFree);
      if (next < 0) break;
      void this.runAlone(this.alone.splice(next, 1)[0]!);
    }
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
          false,
        );
      });
      this.observer.batch(batch!.length);
      this.settle(batch!, settled);
    } catch (error) {
      if (error instanceof ServerError)
        // The database could not be reached: repeating them one by one would not help.
        rejectAll(batch ?? this.waiting.splice(0), error);
      else {
        batch ??= this.take();
        // Each is repeated alone: one bad row must not fail the others.
        if (batch.length > 1) this.alone.push(...batch);
        else rejectAll(batch, error);
      }
    } finally {
      this.running -= 1;
      this.release(batch ?? []);
      this.start();
    }
  }

  private async runAlone(waiting: Waiting): Promise<void> {
    this.runningAlone += 1;
    this.hold(waiting);
    try {
      const settled = await this.database.unit((unit) =>
        this.decision.decide(unit, [waiting.check], true),
      );
      this.settle([waiting], settled);
    } catch (error) {
      // The others of the user would wait as long, one after the other, and fail too.
      rejectAll([waiting, ...this.remove(new Set([waiting.user]))], error);
    } finally {
      this.runningAlone -= 1;
      this.release([waiting]);
      this.start();
    }
  }

  /** The next batch. */
  private take(): Waiting[] {
    const batch: Waiting[] = [];
    const rest: Waiting[] = [];
    let i = 0;
    for (; i < this.waiting.length && batch.length < MAX_BATCH; i++) {
      const waiting = this.waiting[i]!;
      if (this.isFree(waiting)) {
        this.hold(waiting);
        batch.push(waiting);
      } else rest.push(waiting);
    }
    this.waiting = rest.concat(this.waiting.slice(i));
    return batch;
  }

  private isFree({ names }: Waiting): boolean {
    return !names.some((name) => this.held.has(name));
  }

  private hold({ names }: Waiting): void {
    for (const name of names) this.held.add(name);
  }

  private release(batch: readonly Waiting[]): void {
    for (const { names } of batch)
      for (const name of names) this.held.delete(name);
  }

  /** Removes the waiting checks of users. */
  private remove(users: { has(user: string): boolean }): Waiting[] {
    const isMeant = ({ user }: Waiting) => users.has(user);
    const removed = [...this.alone, ...this.waiting].filter(isMeant);
    this.alone = this.alone.filter((one) => !isMeant(one));
    this.waiting = this.waiting.filter((one) => !isMeant(one));
    return removed;
  }

  private settle(
    batch: readonly Waiting[],
    settled: readonly (Settled | Skipped)[],
  ): void {
    const refusals = new Map<string, RateLimitError>();
    batch.forEach((waiting, i) => {
      const one = settled[i]!;
      if ('outcome' in one) waiting.resolve(one.outcome);
      else if ('skipped' in one) this.alone.push(waiting);
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
    const alike = this.remove(refusals);
    for (const { check, user, reject } of alike)
      if (!check.once) reject(refusals.get(user));
    const keyed = alike.filter(({ check }) => check.once);
    for (let i = 0; i < keyed.length; i += MAX_BATCH) {
      const some = keyed.slice(i, i + MAX_BATCH);
      try {
        const answers = await this.decision.answered(
          this.database.read,
          some.map(({ check }) => check),
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
}

function tooManyAtOnce(): RateLimitError {
  return new RateLimitError(
    'Too many checks of the user at the same moment: wait 1 second before the next attempt',
    { errorCode: 'too_many_attempts', retryAfterSeconds: 1 },
  );
}

function rejectAll(batch: readonly Waiting[], error: unknown): void {
  for (const { reject } of batch) reject(error);
}
