import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 402: the plan's limit, too many attempts, or too many messages. */
export class RateLimitError extends GAuthifyError {
  /**
   * Seconds after which the call may be repeated, from `Retry-After`;
   * `undefined` if GAuthify did not say.
   */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    message: string,
    details: GAuthifyErrorDetails & {
      retryAfterSeconds?: number | undefined;
    } = {},
  ) {
    super(message, 402, 'rate_limited', details);
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}
