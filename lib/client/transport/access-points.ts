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
  /** When the last answer came; `undefined`: there was none. */
  answeredAt: number | undefined;
  /** Requests on their way. */
  asking: number;
  /** Since when there are any, or since one ended if that was later. */
  askingSince: number;
  /** Time before that, since the last answer, in which requests were on their way. */
  silentMs: number;
}

/** An access point to ask. */
export interface Picked {
  point: AccessPoint;
  /** It failed before, and this call is to find out whether it works again. */
  isProbe: boolean;
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
  /** Answers so far, of all access points together. */
  answers = 0;
  private readonly all: readonly AccessPoint[];

  constructor(
    urls: readonly string[],
    private readonly cooldownMs: number,
    /** How long an access point may say nothing while it is asked. */
    private readonly patienceMs: number,
    private readonly now: ClientClock,
  ) {
    this.all = urls.map((url) => ({
      url,
      scope: undefined,
      downUntil: undefined,
      isProbed: false,
      answers: 0,
      answeredAt: undefined,
      asking: 0,
      askingSince: 0,
      silentMs: 0,
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
  pick(tried: ReadonlyMap<AccessPoint, Tried>): Picked | undefined {
    // The path of nearly every call.
    const [first] = this.all;
    if (tried.size === 0 && first!.downUntil === undefined)
      return { point: first!, isProbe: false };
    const rest = this.all.filter((it) => !tried.has(it));
    const up = rest.find((it) => it.downUntil === undefined);
    const due = rest.find((it) => this.isDue(it));
    // Only one that is preferred to what works is worth a call's time.
    if (
      due &&
      up &&
      tried.size === 0 &&
      this.all.indexOf(due) < this.all.indexOf(up)
    ) {
      due.isProbed = true;
      return { point: due, isProbe: true };
    }
    // All cooling down: better asked too early than not at all, and first the
    // one that worked last.
    const point =
      up ??
      rest.toSorted((a, b) => (b.answeredAt ?? -1) - (a.answeredAt ?? -1))[0];
    return point && { point, isProbe: false };
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

  /** A request is on its way; one of the four below says how it ended. */
  asked(point: AccessPoint): void {
    if (point.asking === 0) point.askingSince = this.now();
    point.asking += 1;
  }

  /** It answered. */
  succeeded(point: AccessPoint): void {
    this.ended(point);
    point.answers += 1;
    this.answers += 1;
    point.answeredAt = this.now();
    point.downUntil = undefined;
    point.isProbed = false;
  }

  /** It failed: leave it alone for a while. */
  failed(point: AccessPoint): void {
    this.ended(point);
    point.downUntil = this.now() + this.cooldownMs;
    point.isProbed = false;
  }

  /**
   * Nobody waited for the answer: the request was unsubscribed, or in a hurry.
   * That tells nothing, unless it goes on like that: who hangs is found out also
   * where every caller gives up before.
   */
  gaveUp(point: AccessPoint): void {
    const silentMs = point.silentMs + this.now() - point.askingSince;
    // Timers know whole milliseconds.
    if (silentMs + 1 >= this.patienceMs) {
      this.failed(point);
      return;
    }
    point.asking -= 1;
    if (point.asking === 0) point.silentMs = silentMs;
  }

  /** It ended in a way that says nothing of the access point. */
  ended(point: AccessPoint): void {
    point.asking -= 1;
    point.silentMs = 0;
    point.askingSince = this.now();
  }

  /** The call that was to find out whether it works again did not: another may. */
  unprobed(point: AccessPoint): void {
    point.isProbed = false;
  }

  private isDue({ downUntil, isProbed }: AccessPoint): boolean {
    return downUntil !== undefined && !isProbed && this.now() >= downUntil;
  }
}
