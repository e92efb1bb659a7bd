import {
  AccessPoint,
  type BreakerTimes,
  type ClientClock,
} from './access-point.js';

/** The access point to ask next. */
export interface Picked {
  point: AccessPoint;
  /** It failed before, and this call finds out whether it works again. */
  isProbe: boolean;
}

/** Attempts of one call at one access point. */
export interface Tried {
  times: number;
  /** {@link AccessPoint.answers} when the last attempt failed. */
  answers: number;
  isConnectionClosed: boolean;
}

/**
 * The access points of one client, and which one to ask next.
 *
 * The first that works is asked first. One that failed is left alone for the
 * cool-down; then a single call probes it, while others use one that works.
 */
export class AccessPointPool {
  private readonly all: readonly AccessPoint[];

  constructor(urls: readonly string[], times: BreakerTimes, now: ClientClock) {
    this.all = urls.map((url) => new AccessPoint(url, times, now));
  }

  /** All of them, in the order of the options. */
  list(): readonly AccessPoint[] {
    return this.all;
  }

  /** Answers so far, of all access points together. */
  get answers(): number {
    return this.all.reduce((sum, { answers }) => sum + answers, 0);
  }

  /** When any of them answered last; -1: there was no answer. */
  get answeredAt(): number {
    return Math.max(...this.all.map(({ answeredAt }) => answeredAt));
  }

  /**
   * The access point to ask next; `undefined` if all were tried. Begin a request
   * there before anything else is picked: a probe is made by one call alone.
   *
   * @param tried what this call asked already
   */
  pick(tried: ReadonlyMap<AccessPoint, Tried>): Picked | undefined {
    // Nearly every call ends here.
    const [first] = this.all;
    if (tried.size === 0 && first!.state === 'closed')
      return { point: first!, isProbe: false };
    const rest = this.all.filter((point) => !tried.has(point));
    const closed = rest.find(({ state }) => state === 'closed');
    const due = rest.find(({ isDue }) => isDue);
    // A probe costs the call time: worth it only at one preferred to those that work.
    if (
      due &&
      closed &&
      tried.size === 0 &&
      this.all.indexOf(due) < this.all.indexOf(closed)
    )
      return { point: due, isProbe: true };
    // If none is closed, asking too early is better than not asking: first the
    // one that answered last.
    const point =
      closed ?? rest.toSorted((a, b) => b.answeredAt - a.answeredAt)[0];
    return point && { point, isProbe: false };
  }

  /**
   * An access point worth a second attempt after all were tried once: it closed
   * the connection, as a server that restarts does to idle ones, or it has
   * answered another call since.
   */
  pickAgain(tried: ReadonlyMap<AccessPoint, Tried>): AccessPoint | undefined {
    return this.all.find((point) => {
      const before = tried.get(point);
      return (
        before?.times === 1 &&
        (before.isConnectionClosed || point.answers > before.answers)
      );
    });
  }
}
