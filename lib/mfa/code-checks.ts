import { Injectable } from '@nestjs/common';
import {
  catchError,
  defer,
  finalize,
  from,
  type Observable,
  of,
  switchMap,
  throwError,
} from 'rxjs';
import { GAuthifyService } from '../client/gauthify.service.js';
import { isPossibleAuthCode } from '../contract/dto/auth-code.js';
import type { CheckResult } from '../contract/dto/check-result.dto.js';
import { RateLimitError } from '../contract/errors/rate-limit.error.js';
import { KnownUsers } from './known-users.js';
import { MfaEvents } from './mfa-events.js';
import type { MfaVerification } from './mfa.options.js';
import { MfaProofs } from './proofs.js';

/** Checks of one user at a time. More are a flood: nobody has two codes at once. */
const MAX_CONCURRENT = 2;
/** GAuthify is asked again after this time, because an administrator may have ended the wait. */
const MAX_REMEMBERED_MS = 10_000;
const CAPACITY = 10_000;

/**
 * Checks codes at GAuthify. Holds back checks that GAuthify would refuse, so
 * that one signed-in user cannot use up the rate limit of all.
 */
@Injectable()
export class CodeChecks {
  private readonly running = new Map<string, number>();
  private readonly waits = new Map<
    string,
    { askAt: number; endsAt: number; cause: RateLimitError }
  >();

  constructor(
    private readonly gauthify: GAuthifyService,
    private readonly users: KnownUsers,
    private readonly events: MfaEvents,
    private readonly proofs: MfaProofs,
  ) {}

  /** See `MfaService.verify`. */
  check(
    userId: string,
    code: string,
    binding: string | undefined,
  ): Observable<MfaVerification | null> {
    return defer(() => {
      if (typeof code === 'string' && !isPossibleAuthCode(code))
        return this.reject(userId);
      this.enter(userId);
      const setEpoch = this.users.beginCheck(userId);
      return this.gauthify.check(userId, code).pipe(
        finalize(() => this.leave(userId)),
        catchError((error: unknown) => {
          if (error instanceof RateLimitError) {
            this.wait(userId, error);
            this.events.emit({ type: 'locked', userId });
          }
          return throwError(() => error);
        }),
        switchMap((result) => {
          if (!result.authenticated) return this.reject(userId);
          setEpoch(result.epoch);
          return from(this.accept(userId, result, binding));
        }),
      );
    });
  }

  /** Ends the wait that is remembered of the user. */
  forget(userId: string): void {
    this.waits.delete(userId);
  }

  private reject(userId: string): Observable<null> {
    this.events.emit({ type: 'failed', userId });
    return of(null);
  }

  private async accept(
    userId: string,
    { method = null, epoch }: CheckResult,
    binding: string | undefined,
  ): Promise<MfaVerification> {
    this.forget(userId);
    // Whole seconds, as in `auth_time` of the proof.
    const verifiedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
    const verification = { userId, method, verifiedAt, epoch };
    const proof = await this.proofs.sign(verification, binding);
    this.events.emit({ type: 'verified', userId, method });
    return proof === undefined ? verification : { ...verification, proof };
  }

  /** @throws RateLimitError the user has to wait */
  private enter(userId: string): void {
    const now = Date.now();
    const wait = this.waits.get(userId);
    if (wait && now < wait.askAt)
      throw new RateLimitError(wait.cause.message, {
        errorCode: wait.cause.errorCode,
        retryAfterSeconds: Math.ceil((wait.endsAt - now) / 1000),
        cause: wait.cause,
      });
    const count = this.running.get(userId) ?? 0;
    if (count >= MAX_CONCURRENT)
      throw new RateLimitError(
        `uniqueId has ${count} checks under way: wait for their answers.`,
        { errorCode: 'too_many_attempts', retryAfterSeconds: 1 },
      );
    this.running.set(userId, count + 1);
  }

  private leave(userId: string): void {
    const count = this.running.get(userId)! - 1;
    if (count === 0) this.running.delete(userId);
    else this.running.set(userId, count);
  }

  /** Remembers how long the user has to wait. */
  private wait(userId: string, cause: RateLimitError): void {
    if (!cause.retryAfterSeconds) return;
    const waitMs = cause.retryAfterSeconds * 1000;
    const now = Date.now();
    this.waits.delete(userId);
    this.waits.set(userId, {
      askAt: now + Math.min(waitMs, MAX_REMEMBERED_MS),
      endsAt: now + waitMs,
      cause,
    });
    // A Map keeps the order of insertion: the first entry is the oldest.
    if (this.waits.size > CAPACITY)
      this.waits.delete(this.waits.keys().next().value!);
  }
}

/** A code that is being checked, or was checked. */
export interface SharedCheck {
  userId: string;
  code: string;
  /** Who checks it: each module has its own. */
  checker: object;
  /** What the code was first checked for. */
  subject: object;
  result: Promise<MfaVerification | null>;
}

const sharedChecks = new WeakMap<object, SharedCheck>();

/**
 * The check of this code that `carrier`, the request, began before; else begins
 * it. The parts of a request (GraphQL fields, two guards) share one check.
 */
export function shareCheck(
  carrier: object,
  wanted: Omit<SharedCheck, 'result'>,
  begin: () => Promise<MfaVerification | null>,
): SharedCheck & { isShared: boolean } {
  const earlier = sharedChecks.get(carrier);
  if (
    earlier &&
    earlier.userId === wanted.userId &&
    earlier.code === wanted.code &&
    earlier.checker === wanted.checker
  )
    return { ...earlier, isShared: true };
  const check = { ...wanted, result: begin() };
  sharedChecks.set(carrier, check);
  // A check that failed may be tried again on the same socket.
  check.result.catch(() => {
    if (sharedChecks.get(carrier) === check) sharedChecks.delete(carrier);
  });
  return { ...check, isShared: false };
}

/** Whether the request brings no code at all. */
export function isMissing(code: unknown): boolean {
  return (
    code === undefined ||
    code === null ||
    (typeof code === 'string' && code.trim() === '')
  );
}
