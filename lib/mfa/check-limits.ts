import { Injectable } from '@nestjs/common';
import { RateLimitError } from '../contract/errors/rate-limit.error.js';

/** Checks of a user at a time. More are a flood: nobody has two codes at once. */
const MAX_UNDER_WAY = 2;
/** GAuthify is asked again after this, because an administrator may have ended the wait. */
const MAX_REMEMBERED_MS = 10_000;
const CAPACITY = 10_000;

/** Keeps checks from GAuthify that it would refuse: one signed-in user must not take the second factor from all. */
@Injectable()
export class CheckLimits {
  private readonly underWay = new Map<string, number>();
  private readonly waits = new Map<
    string,
    { askAt: number; endsAt: number; cause: RateLimitError }
  >();

  /** @throws RateLimitError the user has to wait */
  enter(userId: string): void {
    const now = Date.now();
    const wait = this.waits.get(userId);
    if (wait && now < wait.askAt)
      throw new RateLimitError(wait.cause.message, {
        errorCode: wait.cause.errorCode,
        retryAfterSeconds: Math.ceil((wait.endsAt - now) / 1000),
        cause: wait.cause,
      });
    const count = this.underWay.get(userId) ?? 0;
    if (count >= MAX_UNDER_WAY)
      throw new RateLimitError(
        `uniqueId has ${count} checks under way: wait for their answers.`,
        { errorCode: 'too_many_attempts', retryAfterSeconds: 1 },
      );
    this.underWay.set(userId, count + 1);
  }

  leave(userId: string): void {
    const count = this.underWay.get(userId)! - 1;
    if (count === 0) this.underWay.delete(userId);
    else this.underWay.set(userId, count);
  }

  /** Remembers for how long GAuthify said a user has to wait. */
  wait(userId: string, cause: RateLimitError): void {
    if (!cause.retryAfterSeconds) return;
    const waitMs = cause.retryAfterSeconds * 1000;
    const now = Date.now();
    this.waits.delete(userId);
    this.waits.set(userId, {
      askAt: now + Math.min(waitMs, MAX_REMEMBERED_MS),
      endsAt: now + waitMs,
      cause,
    });
    // A Map keeps the order of insertion: the first is the oldest.
    if (this.waits.size > CAPACITY)
      this.waits.delete(this.waits.keys().next().value!);
  }

  forget(userId: string): void {
    this.waits.delete(userId);
  }
}
