/** How often something may happen within a time. */
export interface Limit {
  times: number;
  seconds: number;
}

/** Keys remembered at most; above, the oldest are forgotten. */
const CAPACITY = 10_000;

/**
 * Counts what happens by key, in this process' memory: an application of
 * several processes counts in a database all of them share.
 */
export class Allowance {
  private readonly counts = new Map<string, { count: number; until: number }>();

  constructor(
    private readonly limit: Limit,
    private readonly now: () => number,
  ) {}

  /**
   * Counts one more.
   *
   * @returns seconds to wait; 0 where it is allowed, and counted
   */
  take(key: string): number {
    const now = this.now();
    const known = this.counts.get(key);
    if (!known || known.until <= now) {
      this.counts.delete(key);
      this.counts.set(key, {
        count: 1,
        until: now + this.limit.seconds * 1000,
      });
      if (this.counts.size > CAPACITY)
        this.counts.delete(this.counts.keys().next().value!);
      return 0;
    }
    if (known.count >= this.limit.times)
      return Math.ceil((known.until - now) / 1000);
    known.count += 1;
    return 0;
  }

  /** Takes one back that turned out not to count. */
  giveBack(key: string): void {
    const known = this.counts.get(key);
    if (!known) return;
    known.count -= 1;
    // Else attempts that do not count would push others' counts out.
    if (known.count === 0) this.counts.delete(key);
  }
}
