import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { AxiosInstance } from 'axios';
import { Observable } from 'rxjs';
import { ServerError } from '../../contract/errors/server.error.js';
import type { CallOptions } from '../client.options.js';
import { type AccessPoint, AccessPoints } from './access-points.js';
import { CLIENT_CLOCK, type ClientClock } from './client-clock.js';
import { CallAttempts } from './call-attempts.js';
import {
  GAUTHIFY_MODULE_OPTIONS,
  type ResolvedClientOptions,
} from '../client.options.js';
import { Asker } from './asker.js';
import { Requester } from './requester.js';
import { CANCELLED, Telemetry } from './telemetry.js';
import type { WireCall } from './wire-call.js';

/**
 * Makes calls of the GAuthify API: asks access points until one answers, and
 * remembers which of them work.
 */
@Injectable()
export class GAuthifyTransport {
  readonly accessPoints: AccessPoints;
  private readonly outages = new WeakSet<object>();

  constructor(
    private readonly requester: Requester,
    private readonly asker: Asker,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: ResolvedClientOptions,
    @Inject(CLIENT_CLOCK) now: ClientClock,
    private readonly telemetry: Telemetry,
  ) {
    this.accessPoints = new AccessPoints(
      options.accessPoints,
      options.accessPointCooldownMs,
      Math.min(options.timeoutMs, options.totalTimeoutMs ?? Infinity),
      now,
    );
  }

  /** The axios instance that makes the requests. */
  get axiosRef(): AxiosInstance {
    return this.requester.axiosRef;
  }

  /**
   * Emits `data` of the answer, once. Cold: every subscription is a call of its
   * own, with a key of its own. Unsubscribing drops the connection and asks no
   * further access point.
   *
   * Errors with the {@link GAuthifyError} GAuthify answered with, or with a
   * {@link ServerError} when no access point was of use; its `cause` is then an
   * `AggregateError` of what went wrong at each.
   */
  call(call: WireCall, given: CallOptions = {}): Observable<unknown> {
    const timeoutMs = given.timeoutMs ?? this.options.timeoutMs;
    const totalTimeoutMs = given.totalTimeoutMs ?? this.options.totalTimeoutMs;
    return new Observable((subscriber) => {
      const observed = this.telemetry.begin(call);
      const attempts = new CallAttempts(
        call,
        call.method === 'GET' ? undefined : randomUUID(),
        timeoutMs,
        this.options,
        this.accessPoints,
        this.asker,
        observed,
      );
      let timer: NodeJS.Timeout | undefined;
      const fail = (error: unknown) => {
        observed?.end(error);
        subscriber.error(error);
      };
      const failUnreachable = (failures: Error[]) => {
        const error = unreachable(failures);
        if (attempts.mayBeOutage()) this.outages.add(error);
        fail(error);
      };
      if (totalTimeoutMs !== undefined)
        timer = setTimeout(() => {
          const late = new Error(
            `No access point answered within ${totalTimeoutMs} ms (totalTimeoutMs)`,
          );
          failUnreachable([...attempts.failures, late]);
        }, totalTimeoutMs);
      const running = observed
        ? observed.run(() => attempts.run())
        : attempts.run();
      running.then(
        (verdict) => {
          if (subscriber.closed) return;
          if (verdict.kind === 'none') failUnreachable(attempts.failures);
          else if (verdict.kind === 'final') fail(verdict.error);
          else {
            observed?.end();
            subscriber.next(verdict.data);
            subscriber.complete();
          }
        },
        (error: unknown) => {
          if (!subscriber.closed) fail(error);
        },
      );
      return () => {
        clearTimeout(timer);
        attempts.cancel();
        observed?.end(CANCELLED);
      };
    });
  }

  /**
   * Whether a call of this client ended with `error` because nobody answered
   * it: what safe mode may open for, if the probe fails too.
   */
  mayBeOutage(error: unknown): boolean {
    return (
      typeof error === 'object' && error !== null && this.outages.has(error)
    );
  }

  /** Asks one access point something harmless: why it is of no use, `undefined` where it is. */
  probe(
    point: AccessPoint,
    { timeoutMs = this.options.timeoutMs }: CallOptions = {},
  ): Observable<string | undefined> {
    return new Observable((subscriber) => {
      const attempt = this.asker.ask(
        point,
        { method: 'GET', path: 'errors/' },
        undefined,
        timeoutMs,
      );
      void attempt.verdict.then((verdict) => {
        if (subscriber.closed) return;
        subscriber.next(
          verdict.kind === 'data'
            ? undefined
            : verdict.kind === 'final'
              ? `answered ${verdict.error.httpStatus} (${verdict.error.errorCode})`
              : verdict.reason,
        );
        subscriber.complete();
      });
      return () => attempt.cancel();
    });
  }
}

/** Neutral in its message, which a browser may see; what happened where is in `cause`, for the log. */
function unreachable(failures: Error[]): ServerError {
  return new ServerError('GAuthify could not be reached or failed.', {
    cause: new AggregateError(
      failures,
      failures.map(({ message }) => message).join('; '),
    ),
  });
}
