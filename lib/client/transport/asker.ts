import { Injectable, Logger } from '@nestjs/common';
import type { AccessPoint } from './access-points.js';
import { describeFailure } from './describe-failure.js';
import { judgeAnswer, type Verdict } from './judge-answer.js';
import type { ObservedCall } from './telemetry.js';
import { Requester } from './requester.js';
import type { RawAnswer } from './undici-request.js';
import { templateOf, type WireCall } from './wire-call.js';

/** A request under way. */
export interface Asked {
  /** Never rejects. */
  verdict: Promise<Verdict>;
  /** Drops the connection; the verdict then means nothing. */
  cancel(): void;
  /** Whether it ran out of time. */
  isLate(): boolean;
}

/** Makes one request at one access point, and says what came of it. */
@Injectable()
export class Asker {
  private readonly logger = new Logger('GAuthifyClient');

  constructor(private readonly requester: Requester) {}

  ask(
    point: AccessPoint,
    call: WireCall,
    idempotencyKey: string | undefined,
    timeoutMs: number,
    observed?: ObservedCall,
  ): Asked {
    const startedAt = performance.now();
    const request = this.requester.send(point.url, call, idempotencyKey);
    let isLate = false;
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;
    const verdict = new Promise<Verdict>((resolve) => {
      const end = (result: Verdict, answer?: RawAnswer) => {
        isOver = true;
        clearTimeout(timer);
        resolve(result);
        this.log(point, call, result, startedAt, answer);
        observed?.attempted(point.url, result, answer?.status);
      };
      // By the clock, not by silence on the socket: a server that dribbles a
      // byte a second must not hold a caller for ever.
      timer = setTimeout(() => {
        isLate = true;
        end({
          kind: request.isUnwritten() ? 'unsent' : 'lost',
          reason: `did not answer within ${timeoutMs} ms (timeoutMs)`,
        });
        request.abort();
      }, timeoutMs);
      request.answer
        .then((answer) => {
          if (isOver) return;
          const result = judgeAnswer(answer);
          learn(point, answer, result);
          end(result, answer);
        })
        // Of the request, or of an interceptor that made of the answer what it is not.
        .catch((error: unknown) => {
          if (!isOver) end(describeFailure(error, request.isUnwritten()));
        });
    });
    return {
      verdict,
      cancel: () => {
        isOver = true;
        clearTimeout(timer);
        request.abort();
      },
      isLate: () => isLate,
    };
  }

  private log(
    point: AccessPoint,
    call: WireCall,
    verdict: Verdict,
    startedAt: number,
    answer: RawAnswer | undefined,
  ): void {
    if (!Logger.isLevelEnabled('debug')) return;
    const outcome =
      'reason' in verdict ? verdict.reason : `answered ${answer?.status}`;
    // What GAuthify calls the request in its own log; nothing else of a body
    // that may hold secrets.
    const id = /"request_id": ?"([0-9a-f]{32})"/.exec(answer?.text ?? '')?.[1];
    this.logger.debug(
      `${call.method} ${templateOf(call)}: ${point.url} ${outcome} after ${Math.round(performance.now() - startedAt)} ms${id ? `, request_id ${id}` : ''}`,
    );
  }
}

/** Every answer of a server that knows idempotency keys says where it keeps their answers. */
function learn(
  point: AccessPoint,
  { headers }: RawAnswer,
  { kind }: Verdict,
): void {
  const scope = headers['idempotency-scope'];
  if (typeof scope === 'string' && scope !== '') point.scope = scope;
  // Another server stands there now. (A refusal may come from in front of it.)
  else if (kind === 'data') point.scope = undefined;
}
