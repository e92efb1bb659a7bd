import { Logger } from '@nestjs/common';
import type { Answer } from './http-client.js';
import type { AttemptResult } from './retry-policy.js';

const logger = new Logger('GAuthifyClient');

/** How long an access point that was logged as down is not logged again. */
const QUIET_MS = 60_000;

/** Milliseconds of a clock that never jumps; only differences mean something. */
export type ClientClock = () => number;

/** Injection token of the {@link ClientClock}: tests set it by hand. */
export const CLIENT_CLOCK = Symbol('GAUTHIFY_CLIENT_CLOCK');

/** What a request says about its access point. */
export type Outcome =
  /** It works. */
  | 'answered'
  /** It does not work. */
  | 'failed'
  /** Nobody waited for the answer: the caller unsubscribed, or allowed less time than the module does. */
  | 'abandoned'
  /** Nothing. */
  | 'inconclusive';

/** A request at an access point, which must be settled once. */
export interface OpenRequest {
  /** @param reason of a failure, for the log: the end of a sentence that begins with the access point */
  settle(outcome: Outcome, reason?: string): void;
}

/** Times of the circuit breaker, milliseconds. */
export interface BreakerTimes {
  /** How long an access point that failed is left alone. */
  cooldownMs: number;
  /** How long it may be silent, over all abandoned requests together, before it counts as failed. */
  patienceMs: number;
}

/**
 * One access point, as a circuit breaker:
 *
 * - `closed`: it works as far as we know; calls go there.
 * - `open`: it failed; it is left alone for the cool-down.
 * - `half-open`: the cool-down is over and one call, the probe, tries it.
 */
export class AccessPoint {
  private breaker: 'closed' | 'open' | 'half-open' = 'closed';
  private openUntil = 0;
  private store: string | undefined;
  private answerCount = 0;
  private lastAnswerAt = -1;
  private pending = 0;
  /** Since when requests are pending, or since the last of them was settled. */
  private pendingSince = 0;
  /** Time before that, since the last answer, in which requests were pending. */
  private silentMs = 0;
  private isLoggedDown = false;
  private quietUntil = -Infinity;

  constructor(
    readonly url: string,
    private readonly times: BreakerTimes,
    private readonly now: ClientClock,
  ) {}

  get state(): 'closed' | 'open' | 'half-open' {
    return this.breaker;
  }

  /** Whether the cool-down is over and no probe is under way. */
  get isDue(): boolean {
    return this.breaker === 'open' && this.now() >= this.openUntil;
  }

  /** Answers so far. */
  get answers(): number {
    return this.answerCount;
  }

  /** When the last answer came; -1: there was none. */
  get answeredAt(): number {
    return this.lastAnswerAt;
  }

  /** Where it keeps answers to idempotency keys; `undefined`: nowhere, or not known yet. */
  get idempotencyStore(): string | undefined {
    return this.store;
  }

  /** A request starts. As the probe it makes an open access point half-open. */
  begin(isProbe = false): OpenRequest {
    if (isProbe && this.breaker === 'open') this.breaker = 'half-open';
    if (this.pending === 0) this.pendingSince = this.now();
    this.pending += 1;
    return {
      settle: (outcome, reason) => this.settle(outcome, isProbe, reason),
    };
  }

  /** Reads from an answer which idempotency store the server uses: it says so in every answer. */
  learn({ headers }: Answer, { kind }: AttemptResult): void {
    const store = headers['idempotency-scope'];
    if (typeof store === 'string' && store !== '') this.store = store;
    // Another server runs there now. (A refusal may come from a proxy in front of it.)
    else if (kind === 'succeeded') this.store = undefined;
  }

  private settle(outcome: Outcome, isProbe: boolean, reason = ''): void {
    if (outcome === 'abandoned') {
      this.settleAbandoned(isProbe);
      return;
    }
    this.pending -= 1;
    this.silentMs = 0;
    this.pendingSince = this.now();
    if (outcome === 'answered') {
      this.answerCount += 1;
      this.lastAnswerAt = this.now();
      this.breaker = 'closed';
      this.logUp();
    } else if (outcome === 'failed') {
      this.breaker = 'open';
      this.openUntil = this.now() + this.times.cooldownMs;
      this.logDown(reason);
    } else this.endProbe(isProbe);
  }

  /**
   * Inconclusive once; repeated silence marks the access point as down, also if
   * every caller gives up before the attempt's time is over.
   */
  private settleAbandoned(isProbe: boolean): void {
    const silentMs = this.silentMs + this.now() - this.pendingSince;
    // Timers have a resolution of a millisecond.
    if (silentMs + 1 >= this.times.patienceMs) {
      const { patienceMs } = this.times;
      const reason = `did not answer within ${patienceMs} ms`;
      this.settle('failed', isProbe, reason);
      return;
    }
    this.pending -= 1;
    if (this.pending === 0) this.silentMs = silentMs;
    this.endProbe(isProbe);
  }

  /** Once for each time it is down, and at most once a minute if it fails now and then. */
  private logDown(reason: string): void {
    if (this.isLoggedDown || this.now() < this.quietUntil) return;
    this.isLoggedDown = true;
    this.quietUntil = this.now() + QUIET_MS;
    logger.warn(
      `Access point down: ${this.url} ${reason}. Others are asked first for ${this.times.cooldownMs} ms (accessPointCooldownMs).`,
    );
  }

  private logUp(): void {
    if (!this.isLoggedDown) return;
    this.isLoggedDown = false;
    logger.log(`Access point up again: ${this.url}.`);
  }

  /** A probe without a result: another call may probe. */
  private endProbe(isProbe: boolean): void {
    if (isProbe && this.breaker === 'half-open') this.breaker = 'open';
  }
}
