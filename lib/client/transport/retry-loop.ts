import type { ResolvedClientOptions } from '../client.options.js';
import type { AccessPoint, Outcome } from './access-point.js';
import type { AccessPointPool, Picked, Tried } from './access-point-pool.js';
import { attempt } from './attempt.js';
import type { Cancellation } from './cancellation.js';
import {
  HARMLESS_CALL,
  type HttpClient,
  type WireCall,
} from './http-client.js';
import {
  type AttemptResult,
  decideRetry,
  effectOf,
  type Failure,
  type NoAnswer,
} from './retry-policy.js';
import type { ObservedCall } from './telemetry.js';

/** What GAuthify answered to a call. */
export type CallAnswer = Exclude<AttemptResult, NoAnswer>;

/** What the attempts of a call need of their client. */
export interface RetryLoopParts {
  readonly http: HttpClient;
  readonly pool: AccessPointPool;
  readonly options: ResolvedClientOptions;
}

const NOT_RETRIED =
  'was not asked: the request may already have been processed (option retry)';

/** The attempts of one call, one after the other. */
export class RetryLoop {
  /** Why each attempt so far failed. */
  readonly failures: Error[] = [];
  private readonly tried = new Map<AccessPoint, Tried>();
  private readonly effect;
  private readonly answersBefore: number;
  /** The attempt that GAuthify may have processed, and the idempotency store it would be in. */
  private indeterminate?: { failure: NoAnswer; store: string | undefined };
  private isRefused = false;

  constructor(
    private readonly parts: RetryLoopParts,
    private readonly call: WireCall,
    private readonly timeoutMs: number,
    /** The same at every attempt, so that GAuthify recognizes the call. */
    private readonly idempotencyKey: string | undefined,
    private readonly cancellation: Cancellation,
    private readonly observed: ObservedCall | undefined,
  ) {
    this.effect = effectOf(call);
    this.answersBefore = parts.pool.answers;
  }

  /**
   * Whether the failure of this call may be an outage of GAuthify: nobody
   * refused it with a 4xx, which the person it is about can cause, and no other
   * call was answered meanwhile.
   */
  get mayBeOutage(): boolean {
    return !this.isRefused && this.parts.pool.answers === this.answersBefore;
  }

  /**
   * Attempts the call until GAuthify answers it. Resolves with `undefined` if
   * no access point could serve it; rejects with the error of the cancellation.
   */
  async run(): Promise<CallAnswer | undefined> {
    for (;;) {
      const picked = this.pick();
      if (!picked) return undefined;
      const { point } = picked;
      let { isProbe } = picked;
      if (this.mustTryHarmlessCall(picked)) {
        const result = await this.attempt(point, HARMLESS_CALL, isProbe);
        if (!isAnswered(result)) {
          this.note(point, result);
          continue;
        }
        isProbe = false;
      }
      if (!this.mayRetryAt(point)) {
        this.note(point, { kind: 'notSent', reason: NOT_RETRIED });
        continue;
      }
      const store = point.idempotencyStore;
      const result = await this.attempt(point, this.call, isProbe);
      if (isAnswered(result)) return result;
      this.note(point, result);
      if (result.kind === 'indeterminate')
        this.indeterminate ??= { failure: result, store };
      // The first attempt that may have been processed decides, however the later ones ended.
      const { failure, store: first } = this.indeterminate ?? {
        failure: result,
      };
      if (this.decide(failure, first !== undefined) === 'stop') {
        this.failures.push(new Error(`Any other ${NOT_RETRIED}`));
        return undefined;
      }
    }
  }

  private pick(): Picked | undefined {
    const { pool, options } = this.parts;
    const picked = pool.pick(this.tried);
    if (picked || options.retry === 'legacy') return picked;
    const point = pool.pickAgain(this.tried);
    return point && { point, isProbe: false };
  }

  private decide(failure: Failure, sharesIdempotencyStore: boolean) {
    const { effect } = this;
    const policy = this.parts.options.retry;
    return decideRetry(failure, { effect, policy, sharesIdempotencyStore });
  }

  /**
   * Whether a harmless call must go ahead, because a call that cannot be
   * repeated must not find out whether an access point works: at a probe; after
   * an indeterminate attempt, since another server may run at the same URL now;
   * and at an access point that never answered, if there are others: each answer
   * names the idempotency store, and once a call is lost it is too late to ask.
   */
  private mustTryHarmlessCall({ point, isProbe }: Picked): boolean {
    const { pool, options } = this.parts;
    if (this.effect !== 'once' || options.retry !== 'safe') return false;
    const isNew = point.answers === 0 && pool.list().length > 1;
    return isNew || isProbe || this.indeterminate !== undefined;
  }

  private mayRetryAt(point: AccessPoint): boolean {
    if (!this.indeterminate) return true;
    const { failure, store } = this.indeterminate;
    const isShared = store !== undefined && store === point.idempotencyStore;
    return this.decide(failure, isShared) === 'next';
  }

  private async attempt(
    point: AccessPoint,
    call: WireCall,
    isProbe: boolean,
  ): Promise<AttemptResult> {
    const answersBefore = point.answers;
    const request = point.begin(isProbe);
    let outcome: Outcome = 'abandoned';
    let reason: string | undefined;
    try {
      const result = await attempt(this.parts.http, point, call, {
        timeoutMs: this.timeoutMs,
        cancellation: this.cancellation,
        observed: this.observed,
        idempotencyKey: call === this.call ? this.idempotencyKey : undefined,
      });
      outcome = this.outcomeOf(result, point.answers > answersBefore);
      if ('reason' in result) reason = result.reason;
      return result;
    } finally {
      request.settle(outcome, reason);
    }
  }

  /** @param answeredOthers whether the access point answered other requests meanwhile */
  private outcomeOf(result: AttemptResult, answeredOthers: boolean): Outcome {
    if (isAnswered(result)) return 'answered';
    if (result.isUnrelated) return 'inconclusive';
    if (!result.isLate) return 'failed';
    // It waited for one of our connections, which other requests were using.
    if (result.kind === 'notSent' && answeredOthers) return 'inconclusive';
    // A call that allows less time than the module does not decide for the others.
    return this.timeoutMs < this.parts.options.timeoutMs
      ? 'abandoned'
      : 'failed';
  }

  private note(point: AccessPoint, failure: NoAnswer): void {
    this.failures.push(new Error(`${point.url} ${failure.reason}`));
    const { status = 0 } = failure;
    if (status >= 400 && status < 500) this.isRefused = true;
    this.tried.set(point, {
      times: (this.tried.get(point)?.times ?? 0) + 1,
      answers: point.answers,
      isConnectionClosed: failure.isConnectionClosed === true,
    });
  }
}

/** Whether GAuthify itself answered. */
const isAnswered = (result: AttemptResult): result is CallAnswer =>
  result.kind === 'succeeded' || result.kind === 'answered';
