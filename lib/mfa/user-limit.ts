import {
  defer,
  finalize,
  type Observable,
  type ObservableInput,
  tap,
} from 'rxjs';
import { RateLimitError } from '../contract/errors/rate-limit.error.js';

/** Calls for one user at a time. More are a flood: nobody has two codes at once. */
const MAX_CONCURRENT = 2;
/** GAuthify is asked again after this time, because an administrator may have ended the wait. */
const MAX_REMEMBERED_MS = 10_000;
const CAPACITY = 10_000;

/**
 * Holds back calls that GAuthify would refuse, so that one signed-in user cannot
 * use up the rate limit of all: more than two under way for a user, and any
 * while the user has to wait.
 */
export class UserLimit {
  private readonly running = new Map<string, number>();
  private readonly waits = new Map<
    string,
    { askAt: number; endsAt: number; cause: RateLimitError }
  >();

  /** Emits what `call` emits. @throws RateLimitError the user has to wait, or has two calls under way */
  run<T>(userId: string, call: () => ObservableInput<T>): Observable<T> {
    return defer(() => {
      this.enter(userId);
      return defer(call).pipe(
        finalize(() => this.leave(userId)),
        tap({
          error: (error) => {
            if (error instanceof RateLimitError) this.wait(userId, error);
          },
        }),
      );
    });
  }

  /** Ends the wait that is remembered of the user. */
  forget(userId: string): void {
    this.waits.delete(userId);
  }

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
        `uniqueId has ${count} calls under way: wait for their answers.`,
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
