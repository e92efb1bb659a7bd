import type { AccessPoint, AccessPoints, Tried } from './access-points.js';
import type { Asked, Asker } from './asker.js';
import { decideRetry } from './decide-retry.js';
import { effectOf } from './effect-of.js';
import type { Failure } from './failure.js';
import type { Verdict } from './judge-answer.js';
import type { ResolvedClientOptions } from '../client.options.js';
import type { ObservedCall } from './telemetry.js';
import type { WireCall } from './wire-call.js';

/** How a call ended: with an answer of GAuthify, or without (`none`). */
export type Outcome =
  Extract<Verdict, { kind: 'data' | 'final' }> | { kind: 'none' };

const NOT_REPEATED =
  'was not asked: it could do a second time what may be done (option retry)';

/** The attempts of one call, one after the other. */
export class CallAttempts {
  /** Why each attempt so far failed. */
  readonly failures: Error[] = [];
  private readonly tried = new Map<AccessPoint, Tried>();
  private readonly effect;
  /** The attempt GAuthify may have acted on, and where its answer is kept. */
  private lost?: { failure: Failure; scope: string | undefined };
  private current?: { point: AccessPoint; asked: Asked };
  /** What this call is to find out about. */
  private probed?: AccessPoint;
  private isCancelled = false;
  private isRefused = false;
  private readonly answersBefore: number;

  constructor(
    private readonly call: WireCall,
    /** The same at every attempt, so that GAuthify knows the call again. */
    private readonly idempotencyKey: string | undefined,
    private readonly timeoutMs: number,
    private readonly options: ResolvedClientOptions,
    private readonly points: AccessPoints,
    private readonly asker: Asker,
    private readonly observed: ObservedCall | undefined,
  ) {
    this.effect = effectOf(call);
    this.answersBefore = points.answers;
  }

  /**
   * Whether the failure of this call may be an outage of GAuthify: nobody
   * refused it with a 4xx, which the person it is about can bring about, and no
   * other call was answered meanwhile.
   */
  mayBeOutage(): boolean {
    return !this.isRefused && this.points.answers === this.answersBefore;
  }

  /** Drops the request under way, and makes no other. */
  cancel(): void {
    this.isCancelled = true;
    if (this.probed) this.points.unprobed(this.probed);
    if (!this.current) return;
    this.current.asked.cancel();
    this.points.gaveUp(this.current.point);
  }

  async run(): Promise<Outcome> {
    for (;;) {
      const point = this.pick();
      if (!point) return { kind: 'none' };
      const mayAsk = await this.mayAsk(point);
      if (this.isCancelled) return { kind: 'none' };
      if (!mayAsk) continue;
      const { scope } = point;
      const verdict = await this.ask(point, this.call);
      if (this.isCancelled) return { kind: 'none' };
      if (verdict.kind === 'data' || verdict.kind === 'final') return verdict;
      this.note(point, verdict);
      // The one that may have acted decides, however the later ones ended.
      if (verdict.kind === 'lost') this.lost ??= { failure: verdict, scope };
      const { failure } = this.lost ?? { failure: verdict };
      const isKept = this.lost?.scope !== undefined;
      if (this.decide(failure, isKept) === 'stop') {
        this.failures.push(new Error(`Any other ${NOT_REPEATED}`));
        return { kind: 'none' };
      }
    }
  }

  private pick(): AccessPoint | undefined {
    const picked = this.points.pick(this.tried);
    if (picked?.isProbe) this.probed = picked.point;
    if (picked || this.options.retry === 'legacy') return picked?.point;
    return this.points.pickAgain(this.tried);
  }

  private decide(failure: Failure, sharesAnswers: boolean) {
    const { effect } = this;
    const policy = this.options.retry;
    return decideRetry(failure, { effect, policy, sharesAnswers });
  }

  /** Whether the call may go to this access point: asks it, where that is needed to know. */
  private async mayAsk(point: AccessPoint): Promise<boolean> {
    // What may not be repeated does not find out what an access point is like:
    // something harmless goes ahead. So it does of one we never had an answer
    // of, where there are others: they say with every answer which answers to
    // keys they have, and by then it is too late to ask one that just died. And
    // it does after a loss, for another server may stand at the same place now.
    const isCareful = this.effect === 'once' && this.options.retry === 'safe';
    const isNew = point.answers === 0 && this.points.list().length > 1;
    if (isCareful && (isNew || this.lost || point === this.probed)) {
      const verdict = await this.ask(point, { method: 'GET', path: 'errors/' });
      if (verdict.kind !== 'data' && verdict.kind !== 'final') {
        this.note(point, verdict);
        return false;
      }
    }
    if (!this.lost) return true;
    const { failure, scope } = this.lost;
    const isShared = scope !== undefined && scope === point.scope;
    if (this.decide(failure, isShared) === 'next') return true;
    this.note(point, { kind: 'unsent', reason: NOT_REPEATED });
    return false;
  }

  private async ask(point: AccessPoint, call: WireCall): Promise<Verdict> {
    const isOwn = call === this.call;
    const answersBefore = point.answers;
    this.points.asked(point);
    const asked = this.asker.ask(
      point,
      call,
      isOwn ? this.idempotencyKey : undefined,
      this.timeoutMs,
      this.observed,
    );
    this.current = { point, asked };
    const verdict = await asked.verdict;
    if (this.isCancelled) return verdict;
    this.current = undefined;
    if (verdict.kind === 'data' || verdict.kind === 'final')
      this.points.succeeded(point);
    else if (saysNothing(verdict, asked.isLate(), point, answersBefore))
      this.points.ended(point);
    // A caller in a hurry does not speak for the others.
    else if (asked.isLate() && this.timeoutMs < this.options.timeoutMs)
      this.points.gaveUp(point);
    else this.points.failed(point);
    if (point === this.probed) {
      this.probed = undefined;
      this.points.unprobed(point);
    }
    return verdict;
  }

  private note(
    point: AccessPoint,
    failure: Exclude<Failure, { kind: 'final' }>,
  ): void {
    this.failures.push(new Error(`${point.url} ${failure.reason}`));
    const { status = 0 } = failure;
    if (status >= 400 && status < 500) this.isRefused = true;
    this.tried.set(point, {
      times: (this.tried.get(point)?.times ?? 0) + 1,
      answers: point.answers,
      isClosed: failure.kind === 'lost' && failure.isClosed === true,
    });
  }
}

/** Whether a failed attempt says nothing of its access point. */
function saysNothing(
  verdict: Failure,
  isLate: boolean,
  point: AccessPoint,
  answersBefore: number,
): boolean {
  if (verdict.kind !== 'final' && verdict.isOurs) return true;
  if (verdict.kind === 'lost') return verdict.isHealthy === true;
  // It waited for one of our connections, which others had meanwhile.
  return verdict.kind === 'unsent' && isLate && point.answers > answersBefore;
}
