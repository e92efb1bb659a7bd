import { Logger } from '@nestjs/common';
import { Observable } from 'rxjs';
import type { AccessPoint } from './access-point.js';
import { Cancellation } from './cancellation.js';
import {
  type Answer,
  type HttpClient,
  requestOf,
  templateOf,
  type WireCall,
} from './http-client.js';
import { failureOfError } from './network-error.js';
import { readAnswer } from './response.js';
import type { AttemptResult } from './retry-policy.js';
import { CANCELLED, type ObservedCall } from './telemetry.js';

const logger = new Logger('GAuthifyClient');

/** How an attempt is made. */
export interface AttemptOptions {
  timeoutMs: number;
  /** Drops the connection when cancelled. */
  cancellation: Cancellation;
  idempotencyKey?: string | undefined;
  observed?: ObservedCall | undefined;
}

/**
 * Makes one request at one access point. Resolves with what came of it, whatever
 * that is; rejects only with the error of `cancellation`.
 */
export async function attempt(
  http: HttpClient,
  point: AccessPoint,
  call: WireCall,
  { timeoutMs, cancellation, idempotencyKey, observed }: AttemptOptions,
): Promise<AttemptResult> {
  cancellation.throwIfCancelled();
  const startedAt = performance.now();
  const request = http.send(requestOf(point.url, call, idempotencyKey));
  let answer: Answer | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    const result = await Promise.race([
      request.answer
        .then((arrived) => {
          const read = readAnswer(arrived);
          answer = arrived;
          return read;
        })
        // Of the request, or of an interceptor that changed the answer's shape.
        .catch((error: unknown) =>
          failureOfError(error, request.isUnwritten()),
        ),
      // By the clock, not by silence on the socket: a server that sends a byte a
      // second must not hold a caller for ever.
      new Promise<AttemptResult>((resolve) => {
        timer = setTimeout(
          () =>
            resolve({
              kind: request.isUnwritten() ? 'notSent' : 'indeterminate',
              reason: `did not answer within ${timeoutMs} ms (timeoutMs)`,
              isLate: true,
            }),
          timeoutMs,
        );
      }),
      new Promise<never>((_, reject) => {
        cancellation.onCancel(reject);
      }),
    ]);
    if (answer) point.learn(answer, result);
    log(point, call, result, performance.now() - startedAt, answer);
    observed?.attempted(point.url, result);
    return result;
  } finally {
    clearTimeout(timer);
    cancellation.onCancel(undefined);
    if (!answer) request.abort();
  }
}

/** The same as a cold Observable, with a cancellation of its own: unsubscribing drops the connection. */
export const attemptOnce = (
  http: HttpClient,
  point: AccessPoint,
  call: WireCall,
  timeoutMs: number,
): Observable<AttemptResult> =>
  new Observable((subscriber) => {
    const cancellation = new Cancellation();
    attempt(http, point, call, { timeoutMs, cancellation }).then(
      (result) => {
        subscriber.next(result);
        subscriber.complete();
      },
      (error: unknown) => subscriber.error(error),
    );
    return () => cancellation.cancel(CANCELLED);
  });

function log(
  point: AccessPoint,
  call: WireCall,
  result: AttemptResult,
  durationMs: number,
  answer: Answer | undefined,
): void {
  if (!Logger.isLevelEnabled('debug')) return;
  const outcome =
    'reason' in result ? result.reason : `answered ${answer?.status}`;
  // The name of the request in GAuthify's own log; nothing else of a body that
  // may hold secrets.
  const id = /"request_id": ?"([0-9a-f]{32})"/.exec(answer?.text ?? '')?.[1];
  logger.debug(
    `${call.method} ${templateOf(call)}: ${point.url} ${outcome} after ${Math.round(durationMs)} ms${id ? `, request_id ${id}` : ''}`,
  );
}
