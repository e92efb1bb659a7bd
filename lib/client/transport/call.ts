import { randomUUID } from 'node:crypto';
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Observable } from 'rxjs';
import { ApiKeyError } from '../../contract/errors/api-key.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import {
  type CallOptions,
  GAUTHIFY_MODULE_OPTIONS,
  type ResolvedClientOptions,
} from '../client.options.js';
import { CLIENT_CLOCK, type ClientClock } from './access-point.js';
import { AccessPointPool } from './access-point-pool.js';
import { Cancellation } from './cancellation.js';
import { HTTP_CLIENT, type HttpClient, type WireCall } from './http-client.js';
import { RetryLoop } from './retry-loop.js';
import { CANCELLED, Telemetry } from './telemetry.js';

const logger = new Logger('GAuthifyClient');

/** A refused key is logged at most so often, milliseconds. */
const KEY_LOG_MS = 60_000;

/** Makes calls of the GAuthify API and remembers which access points work. */
@Injectable()
export class GAuthifyTransport implements OnApplicationShutdown {
  readonly pool: AccessPointPool;
  private readonly running = new Set<Cancellation>();
  private keyLoggedUntil = -Infinity;
  private readonly outages = new WeakSet<object>();

  constructor(
    @Inject(HTTP_CLIENT) readonly http: HttpClient,
    @Inject(GAUTHIFY_MODULE_OPTIONS) readonly options: ResolvedClientOptions,
    @Inject(CLIENT_CLOCK) private readonly now: ClientClock,
    private readonly telemetry: Telemetry,
  ) {
    const { timeoutMs, totalTimeoutMs = Infinity } = options;
    this.pool = new AccessPointPool(
      options.accessPoints,
      {
        cooldownMs: options.accessPointCooldownMs,
        patienceMs: Math.min(timeoutMs, totalTimeoutMs),
      },
      now,
    );
  }

  /**
   * Emits `data` of the answer, once. Cold: every subscription is a call of its
   * own, with an idempotency key of its own. Unsubscribing drops the connection
   * and asks no further access point.
   *
   * Errors with the {@link GAuthifyError} GAuthify answered with, or with a
   * {@link ServerError} with code `unreachable` if no access point could serve
   * the call; its `cause` is then an `AggregateError` of what happened at each.
   */
  call(call: WireCall, given: CallOptions = {}): Observable<unknown> {
    const { options } = this;
    const timeoutMs = given.timeoutMs ?? options.timeoutMs;
    const totalTimeoutMs = given.totalTimeoutMs ?? options.totalTimeoutMs;
    return new Observable((subscriber) => {
      // By the deadline or at shutdown, with the error to end with; or because
      // the caller unsubscribed, when nobody sees it.
      const cancellation = new Cancellation();
      const observed = this.telemetry.begin(call);
      const loop = new RetryLoop(
        this,
        call,
        timeoutMs,
        call.method === 'GET' ? undefined : randomUUID(),
        cancellation,
        observed,
      );
      this.running.add(cancellation);
      const deadline =
        totalTimeoutMs &&
        setTimeout(
          () => cancellation.cancel(new DeadlineError(totalTimeoutMs)),
          totalTimeoutMs,
        );
      const fail = (error: unknown) => {
        if (!this.running.delete(cancellation)) return;
        observed?.end(error);
        subscriber.error(error);
      };
      const failUnreachable = (last: Error[] = []) => {
        const error = unreachable([...loop.failures, ...last]);
        if (loop.mayBeOutage) this.outages.add(error);
        fail(error);
      };
      const running = observed ? observed.run(() => loop.run()) : loop.run();
      running.then(
        (answer) => {
          if (!answer) failUnreachable();
          else if (answer.kind === 'answered') {
            if (answer.error instanceof ApiKeyError) this.logRefusedKey();
            fail(answer.error);
          } else if (this.running.delete(cancellation)) {
            observed?.end();
            subscriber.next(answer.data);
            subscriber.complete();
          }
        },
        (error: unknown) =>
          error instanceof DeadlineError
            ? failUnreachable([error])
            : fail(error),
      );
      return () => {
        clearTimeout(deadline);
        if (!this.running.delete(cancellation)) return;
        cancellation.cancel(CANCELLED);
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

  private logRefusedKey(): void {
    const now = this.now();
    if (now < this.keyLoggedUntil) return;
    this.keyLoggedUntil = now + KEY_LOG_MS;
    logger.error('GAuthify refused the API key: check the option apiKey.');
  }

  /** Ends calls under way, after the HTTP server has answered its last request, which may wait for one. */
  onApplicationShutdown(): void {
    for (const cancellation of this.running)
      cancellation.cancel(
        unreachable([new Error('The application shuts down')]),
      );
  }
}

/** The time of a call is over. */
class DeadlineError extends Error {
  constructor(ms: number) {
    super(`No access point answered within ${ms} ms (totalTimeoutMs)`);
  }
}

/** Neutral in its message, which a browser may see; what happened where is in `cause`, for the log. */
function unreachable(failures: Error[]): ServerError {
  return new ServerError('GAuthify could not be reached or failed.', {
    errorCode: 'unreachable',
    cause: new AggregateError(
      failures,
      failures.map(({ message }) => message).join('; '),
    ),
  });
}
