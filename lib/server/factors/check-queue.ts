import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import type { Check, CheckOutcome } from './check.js';

/** Checks that are decided in one unit of work at most. */
const MAX_BATCH = 64;
/** Checks of one user that have no answer yet. */
const MAX_OF_USER = 100;

/** A check that has no answer yet. */
export interface WaitingCheck {
  check: Check;
  /** names the user */
  user: string;
  /** name the user and the Idempotency-Key: checks with a name in common are decided one after the other */
  names: readonly string[];
  resolve: (outcome: CheckOutcome) => void;
  reject: (error: unknown) => void;
}

/** The checks that wait, and those that are being decided. */
export class CheckQueue {
  private together: WaitingCheck[] = [];
  private alone: WaitingCheck[] = [];
  /** Names in the checks that are being decided. */
  private readonly held = new Set<string>();
  /** How many checks of each user have no answer yet. */
  private readonly ofUser = new Map<string, number>();

  /**
   * Adds a check.
   *
   * @param onAdded called once it waits
   * @returns its outcome
   * @throws RateLimitError if 100 checks of the user have no answer yet
   */
  async add(check: Check, onAdded: () => void): Promise<CheckOutcome> {
    const { owner, once } = check;
    // A realm contains no line break: each pair has its own name.
    const user = `user ${owner.realm}\n${owner.unique_id}`;
    const names = once ? [user, `key ${once.request.id}`] : [user];
    const others = this.ofUser.get(user) ?? 0;
    if (others >= MAX_OF_USER) throw tooManyAtOnce();
    this.ofUser.set(user, others + 1);
    try {
      return await new Promise((resolve, reject) => {
        this.together.push({ check, user, names, resolve, reject });
        onAdded();
      });
    } finally {
      const left = this.ofUser.get(user)! - 1;
      if (left > 0) this.ofUser.set(user, left);
      else this.ofUser.delete(user);
    }
  }

  /** Whether {@link takeBatch} would return any. */
  get hasBatch(): boolean {
    return this.together.some((waiting) => this.isFree(waiting));
  }

  /** Checks to decide together, whose names are held until they are released. */
  takeBatch(): WaitingCheck[] {
    const batch: WaitingCheck[] = [];
    const rest: WaitingCheck[] = [];
    let i = 0;
    for (; i < this.together.length && batch.length < MAX_BATCH; i++) {
      const waiting = this.together[i]!;
      if (this.isFree(waiting)) {
        this.hold(waiting);
        batch.push(waiting);
      } else rest.push(waiting);
    }
    this.together = rest.concat(this.together.slice(i));
    return batch;
  }

  /** A check to decide alone, likewise. */
  takeAlone(): WaitingCheck | undefined {
    const index = this.alone.findIndex((waiting) => this.isFree(waiting));
    const [next] = index < 0 ? [] : this.alone.splice(index, 1);
    if (next) this.hold(next);
    return next;
  }

  release(decided: readonly WaitingCheck[]): void {
    for (const { names } of decided)
      for (const name of names) this.held.delete(name);
  }

  /** Puts checks back, each to be decided alone. */
  putAlone(...checks: WaitingCheck[]): void {
    this.alone.push(...checks);
  }

  /** Removes all checks that are not to be decided alone. */
  removeTogether(): WaitingCheck[] {
    return this.together.splice(0);
  }

  /** Removes the checks of users. */
  removeOf(users: { has(user: string): boolean }): WaitingCheck[] {
    const isMeant = ({ user }: WaitingCheck) => users.has(user);
    const removed = [...this.alone, ...this.together].filter(isMeant);
    this.alone = this.alone.filter((one) => !isMeant(one));
    this.together = this.together.filter((one) => !isMeant(one));
    return removed;
  }

  /** Takes up to `MAX_BATCH` of them at a time. */
  static *slices(checks: readonly WaitingCheck[]): Generator<WaitingCheck[]> {
    for (let i = 0; i < checks.length; i += MAX_BATCH)
      yield checks.slice(i, i + MAX_BATCH);
  }

  private isFree({ names }: WaitingCheck): boolean {
    return !names.some((name) => this.held.has(name));
  }

  private hold({ names }: WaitingCheck): void {
    for (const name of names) this.held.add(name);
  }
}

function tooManyAtOnce(): RateLimitError {
  return new RateLimitError(
    'Too many checks of the user at the same moment: wait 1 second before the next attempt',
    { errorCode: 'too_many_attempts', retryAfterSeconds: 1 },
  );
}
