import { Inject, Injectable } from '@nestjs/common';
import {
  defer,
  every,
  finalize,
  map,
  merge,
  Observable,
  of,
  share,
} from 'rxjs';
import type { AccessPoint } from './access-points.js';
import { Asker } from './asker.js';
import { CLIENT_CLOCK, type ClientClock } from './client-clock.js';
import { GAuthifyTransport } from './gauthify.transport.js';
import type { Verdict } from './judge-answer.js';
import {
  GAUTHIFY_MODULE_OPTIONS,
  type ResolvedClientOptions,
} from '../client.options.js';
import { OwnDelay } from './own-delay.js';
import { Requester } from './requester.js';
import type { WireCall } from './wire-call.js';

/** The same whoever is being checked, and outside the pool their requests may have exhausted. */
const PROBE: WireCall = { method: 'GET', path: 'errors/', isApart: true };

/** How long a result is reused, milliseconds: a flood of failed checks must not become a flood of probes. */
const REUSE_MS = 1000;

/**
 * Finds out, for safe mode, whether GAuthify is down: asks every access point
 * something that the person being checked cannot influence.
 */
@Injectable()
export class OutageProbe {
  private latest?: { isDown: boolean; endedAt: number };

  /** One probe at a time; it ends early once nobody waits for it any more. */
  private readonly running$ = defer(() => this.probe()).pipe(
    map((isDown) => {
      this.latest = { isDown, endedAt: this.now() };
      return isDown;
    }),
    share(),
  );

  constructor(
    private readonly transport: GAuthifyTransport,
    private readonly asker: Asker,
    private readonly requester: Requester,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: ResolvedClientOptions,
    @Inject(CLIENT_CLOCK) private readonly now: ClientClock,
  ) {}

  /** Emits `true` only if every access point failed the probe; never errors. */
  isDown(): Observable<boolean> {
    return defer(() => {
      const { latest } = this;
      return latest && this.now() - latest.endedAt < REUSE_MS
        ? of(latest.isDown)
        : this.running$;
    });
  }

  private probe(): Observable<boolean> {
    const { accessPoints } = this.transport;
    const answersBefore = accessPoints.answers;
    const delay = new OwnDelay();
    return merge(
      ...accessPoints.list().map((point) => this.probeOne(point, delay)),
    ).pipe(
      every((isDown) => isDown),
      // Whoever answers other calls meanwhile is not down.
      map((isDown) => isDown && accessPoints.answers === answersBefore),
      finalize(() => delay.stop()),
    );
  }

  private probeOne(point: AccessPoint, delay: OwnDelay): Observable<boolean> {
    const { timeoutMs, totalTimeoutMs = Infinity } = this.options;
    const ms = Math.min(timeoutMs, totalTimeoutMs);
    return new Observable((subscriber) => {
      const asked = this.asker.ask(point, PROBE, undefined, ms);
      void asked.verdict.then((verdict) => {
        // A time-out means nothing if this process was what kept it waiting.
        const isInconclusive =
          asked.isLate() &&
          (delay.ms > ms / 2 || this.requester.mayWaitForConnection());
        subscriber.next(isFailed(verdict) && !isInconclusive);
        subscriber.complete();
      });
      return () => asked.cancel();
    });
  }
}

/**
 * Whether a probe's outcome shows that GAuthify is down. A 4xx shows that
 * somebody answers and objects to us: a limit or filter that the person may
 * have triggered, or a wrong API key. A redirect may be such a filter's too.
 */
function isFailed(verdict: Verdict): boolean {
  if (verdict.kind === 'data' || verdict.kind === 'final') return false;
  const { status, isOurs } = verdict;
  if (isOurs) return false;
  return status === undefined || status < 300 || status >= 500;
}
