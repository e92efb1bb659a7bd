import { Logger } from '@nestjs/common';
import { Observable } from 'rxjs';
import type { AccessPoint } from './access-point.js';
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
import type { ObservedCall } from './telemetry.js';

const logger = new Logger('GAuthifyClient');

/** How an attempt is made. */
export interface AttemptOptions {
  timeoutMs: number;
  /** Drops the connection when aborted. */
  signal: AbortSignal;
  idempotencyKey?: string | undefined;
  observed?: ObservedCall | undefined;
}

/**
 * Makes one request at one access point. Resolves with what came of it, whatever
 * that is; rejects only with the reason of `signal`.
 */
export async function attempt(
  http: HttpClient,
  point: AccessPoint,
  call: WireCall,
  { timeoutMs, signal, idempotencyKey, observed }: AttemptOptions,
): Promise<AttemptResult> {
  signal.throwIfAborted();
  const startedAt = performance.now();
  const request = http.send(requestOf(point.url, call, idempotencyKey));
  let answer: Answer | undefined;
  let timer: NodeJS.Timeout | undefined;
  let onAbort!: () => void;
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
        onAbort = () => reject(signal.reason as Error);
        signal.addEventListener('abort', onAbort);
      }),
    ]);
    if (answer) point.learn(answer, result);
    log(point, call, result, performance.now() - startedAt, answer);
    observed?.attempted(point.url, result);
    return result;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    if (!answer) request.abort();
  }
}

/** The same as a cold Observable, with a signal of its own: unsubscribing drops the connection. */
export const attemptOnce = (
  http: HttpClient,
  point: AccessPoint,
  call: WireCall,
  timeoutMs: number,
): Observable<AttemptResult> =>
  new Observable((subscriber) => {
    const controller = new AbortController();
    const { signal } = controller;
    attempt(http, point, call, { timeoutMs, signal }).then(
      (result) => {
        subscriber.next(result);
        subscriber.complete();
      },
      (error: unknown) => subscriber.error(error),
    );
    return () => controller.abort();
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
