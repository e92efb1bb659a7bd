import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  concatMap,
  defer,
  finalize,
  forkJoin,
  map,
  type Observable,
  of,
  share,
  timer,
} from 'rxjs';
import {
  type AccessPoint,
  CLIENT_CLOCK,
  type ClientClock,
} from './access-point.js';
import { attemptOnce } from './attempt.js';
import { GAuthifyTransport } from './call.js';
import { HARMLESS_CALL, type WireCall } from './http-client.js';
import type { AttemptResult } from './retry-policy.js';
import { hasSpareDescriptors } from './spare-descriptors.js';

/** The same whoever is being checked, and outside the pool that their requests may have exhausted. */
const PROBE: WireCall = { ...HARMLESS_CALL, isApart: true };

/** How long a result is reused, milliseconds: many failed checks must not cause as many probes. */
const REUSE_MS = 1000;

/**
 * How long after a probe that something answered with a failure another is made,
 * milliseconds. A proxy's 503 may be its rate limit, which the person can exhaust;
 * an outage lasts longer.
 */
const AGAIN_MS = 1000;

/** How often the event loop's delay is measured, milliseconds. */
const TICK_MS = 20;

/** What a probe says of an access point, or of all of them together. */
type Finding =
  /** It works, refuses us, or the failure is our own. */
  | 'up'
  /** Something answers with a failure: a 5xx, or a page that is not GAuthify's. */
  | 'failing'
  /** Nothing answers. */
  | 'silent';

/**
 * Finds out for safe mode whether GAuthify is down: makes a request at every
 * access point which the person being checked cannot influence.
 */
@Injectable()
export class OutageProbe {
  private latest?: { isDown: boolean; endedAt: number };

  /** One probe at a time; unsubscribed when nobody waits for it any more. */
  private readonly running$ = defer(() => this.probe()).pipe(
    map((isDown) => {
      this.latest = { isDown, endedAt: this.now() };
      return isDown;
    }),
    share(),
  );

  constructor(
    private readonly transport: GAuthifyTransport,
    @Inject(CLIENT_CLOCK) private readonly now: ClientClock,
  ) {}

  /**
   * Emits `true` only if every access point failed the probe, and none has
   * answered a call of this client within the last `timeoutMs`; never errors.
   */
  isDown(): Observable<boolean> {
    return defer(() => {
      const { pool, options } = this.transport;
      const { answeredAt } = pool;
      if (answeredAt >= 0 && this.now() - answeredAt < options.timeoutMs)
        return of(false);
      const { latest } = this;
      return latest && this.now() - latest.endedAt < REUSE_MS
        ? of(latest.isDown)
        : this.running$;
    });
  }

  private probe(): Observable<boolean> {
    const { pool } = this.transport;
    const answersBefore = pool.answers;
    const wasDown = this.wasDownBefore();
    return this.probeAll().pipe(
      concatMap((finding) =>
        finding === 'failing' && !wasDown
          ? timer(AGAIN_MS).pipe(concatMap(() => this.probeAll()))
          : of(finding),
      ),
      // An access point that answers other calls meanwhile is not down.
      map((finding) => finding !== 'up' && pool.answers === answersBefore),
    );
  }

  /** Whether the outage was confirmed not long ago, and nothing answered since. */
  private wasDownBefore(): boolean {
    const { latest } = this;
    return (
      latest?.isDown === true &&
      latest.endedAt > this.transport.pool.answeredAt &&
      this.now() - latest.endedAt < 10 * REUSE_MS
    );
  }

  private probeAll(): Observable<Finding> {
    const delay = new OwnDelay();
    const { pool } = this.transport;
    return forkJoin(pool.list().map((it) => this.probeOne(it, delay))).pipe(
      map((findings): Finding => {
        if (findings.includes('up') || !hasSpareDescriptors()) return 'up';
        return findings.includes('failing') ? 'failing' : 'silent';
      }),
      finalize(() => delay.stop()),
    );
  }

  private probeOne(point: AccessPoint, delay: OwnDelay): Observable<Finding> {
    const { http, options } = this.transport;
    const { timeoutMs, totalTimeoutMs = Infinity } = options;
    const ms = Math.min(timeoutMs, totalTimeoutMs);
    return attemptOnce(http, point, PROBE, ms).pipe(
      map((result) => {
        // A time-out is inconclusive if this process kept the request waiting.
        const isInconclusive =
          'isLate' in result &&
          (delay.ms > ms / 2 || http.mayWaitForConnection());
        return isInconclusive ? 'up' : findingOf(result);
      }),
    );
  }
}

/**
 * What the result of a probe shows. A 4xx shows that something answers and
 * refuses us: a limit or filter that the person may have triggered, or a wrong
 * API key. A redirect may also come from such a filter.
 */
function findingOf(result: AttemptResult): Finding {
  if (!('reason' in result) || result.isUnrelated === 'here') return 'up';
  const { status } = result;
  if (status === undefined) return 'silent';
  return status < 300 || status >= 500 ? 'failing' : 'up';
}

/**
 * Measures how long this process delayed its own work: in the event loop, and in
 * Node's thread pool, where names are resolved and passwords hashed.
 */
class OwnDelay {
  private readonly startedAt = performance.now();
  private lastTickAt = this.startedAt;
  private blockedMs = 0;
  private poolMs: number | undefined;
  private readonly timer = setInterval(() => this.tick(), TICK_MS);

  constructor() {
    randomBytes(1, () => {
      this.poolMs = performance.now() - this.startedAt;
    });
  }

  /** The longer of both delays since the start, milliseconds. */
  get ms(): number {
    this.tick();
    return Math.max(
      this.blockedMs,
      this.poolMs ?? performance.now() - this.startedAt,
    );
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = performance.now();
    this.blockedMs += Math.max(0, now - this.lastTickAt - TICK_MS);
    this.lastTickAt = now;
  }
}
