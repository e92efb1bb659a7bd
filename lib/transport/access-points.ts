import type { ClientClock } from './client-clock.js';

/** One access point, and what its answers taught this client. */
export interface AccessPoint {
  readonly url: string;
  /** Where it keeps answers to idempotency keys; `undefined`: it keeps none, or we do not know yet. */
  scope: string | undefined;
  /** It failed: left alone until this time. `undefined`: as far as we know it works. */
  downUntil: number | undefined;
  /** One call finds out whether it works again. */
  isProbed: boolean;
  /** Answers so far. */
  answers: number;
}

/** An attempt of a call at an access point. */
export interface Tried {
  times: number;
  /** {@link AccessPoint.answers} when the attempt failed. */
  answers: number;
  isClosed: boolean;
}

/**
 * Which access point to ask: the state of fail-over of one client.
 *
 * The first that works is asked first. One that failed is left alone for the
 * cool-down; then a single call tries it, while others go on with what works.
 */
export class AccessPoints {
  private readonly all: readonly AccessPoint[];

  constructor(
    urls: readonly string[],
    private readonly cooldownMs: number,
    private readonly now: ClientClock,
  ) {
    this.all = urls.map((url) => ({
      url,
      scope: undefined,
      downUntil: undefined,
      isProbed: false,
      answers: 0,
    }));
  }

  /** All of them, in the order of the options. */
  list(): readonly AccessPoint[] {
    return this.all;
  }

  /**
   * The access point to ask next; `undefined` where there is none left.
   *
   * @param tried what this call asked already
   */
  pick(tried: ReadonlyMap<AccessPoint, Tried>): AccessPoint | undefined {
    // The path of nearly every call.
    const [first] = this.all;
    if (tried.size === 0 && first!.downUntil === undefined) return first;
    const rest = this.all.filter((it) => !tried.has(it));
    const up = rest.find((it) => it.downUntil === undefined);
    const due = rest.find((it) => this.isDue(it));
    // Only one that is preferred to what works is worth a call's time.
    const isWorthIt =
      due && (!up || this.all.indexOf(due) < this.all.indexOf(up));
    if (due && isWorthIt && tried.size === 0) {
      due.isProbed = true;
      return due;
    }
    // All cooling down: better asked too early than not at all.
    return up ?? due ?? rest[0];
  }

  /**
   * An access point worth asking a second time after all were asked once: it
   * closed the connection, as one that starts anew does to those it kept alive,
   * or it has answered another call since.
   */
  pickAgain(tried: ReadonlyMap<AccessPoint, Tried>): AccessPoint | undefined {
    return this.all.find((it) => {
      const before = tried.get(it);
      return (
        before?.times === 1 && (before.isClosed || it.answers > before.answers)
      );
    });
  }

  /** It answered. */
  succeeded(point: AccessPoint): void {
    point.answers += 1;
    point.downUntil = undefined;
    point.isProbed = false;
  }

  /** It failed: leave it alone for a while. */
  failed(point: AccessPoint): void {
    point.downUntil = this.now() + this.cooldownMs;
    point.isProbed = false;
  }

  /** The attempt ended without telling anything, as by unsubscription: another call may probe. */
  gaveUp(point: AccessPoint): void {
    point.isProbed = false;
  }

  private isDue({ downUntil, isProbed }: AccessPoint): boolean {
    return downUntil !== undefined && !isProbed && this.now() >= downUntil;
  }
}
