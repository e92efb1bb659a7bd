import { Inject, Injectable } from '@nestjs/common';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { UserRow } from '../store/schema.js';
import { inSeconds } from './wait-text.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** The columns that decide whether a user may try a code. */
export type Standing = Pick<
  UserRow,
  'failures' | 'next_attempt_at' | 'wrong_codes_until'
>;

/**
 * Limits how often codes of a user can be guessed. The numbers are in
 * `settings/security.options.ts`.
 *
 * The user's row is locked from before the standing is read until it is stored,
 * so of 200 simultaneous guesses all but the allowed few are refused without a
 * comparison. There are two counts, and `reset_key` and `unlock` reset both:
 *
 * - Consecutive failures (`failures`, `next_attempt_at`) make the user wait, and
 *   finally lock them. A six-digit code may be a guess at the authenticator app
 *   or at a sent code, so both share this count. A right TOTP code, one-time pass
 *   or recovery code resets it. A right sent code resets it only if the user has
 *   no authenticator app: otherwise, access to the mailbox would allow more
 *   guesses at the app.
 * - Wrong codes in a day (`wrong_codes_until`). The column is the time at which
 *   the allowance is full again: each wrong code moves it forward by one share of
 *   the day, and an attempt is refused if it is too far ahead (generic cell rate
 *   algorithm). One number thus limits every window of 24 hours, and a refused
 *   user waits minutes, not until the next day.
 */
@Injectable()
export class AttemptLimiter {
  /** How far one wrong code moves `wrong_codes_until`, milliseconds. */
  private readonly shareMs: number;
  /** How far ahead `wrong_codes_until` may be for another attempt, milliseconds. */
  private readonly aheadMs: number;

  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {
    const { maxWrongCodesPerDay } = settings.security;
    const atOnce = Math.ceil(maxWrongCodesPerDay / 2);
    const overTheDay = Math.max(1, Math.floor(maxWrongCodesPerDay / 2));
    this.shareMs = Math.ceil(DAY_MS / overTheDay);
    this.aheadMs = (atOnce - 1) * this.shareMs;
  }

  /** Why a user may not try a code: they have to wait or are locked, or do not exist. */
  refusal(
    standing: Standing | undefined,
  ): RateLimitError | NotFoundError | undefined {
    if (!standing)
      return new NotFoundError('No such user', { errorCode: 'user_not_found' });
    const { lockAfterAttempts, maxAttemptDelaySeconds } =
      this.settings.security;
    if (standing.failures >= lockAfterAttempts)
      return new RateLimitError(
        'The user is locked after too many wrong codes: only reset_key or unlock unlocks them',
        {
          errorCode: 'user_locked',
          retryAfterSeconds: maxAttemptDelaySeconds,
        },
      );
    const nextAt = Math.max(
      standing.next_attempt_at,
      standing.wrong_codes_until - this.aheadMs,
    );
    const seconds = Math.ceil((nextAt - this.now()) / 1000);
    if (seconds <= 0) return undefined;
    return new RateLimitError(
      `Too many wrong codes: wait ${inSeconds(seconds)} before the next attempt`,
      { errorCode: 'too_many_attempts', retryAfterSeconds: seconds },
    );
  }

  /** The standing after a wrong code. */
  afterWrongCode({ failures, wrong_codes_until }: Standing): Standing {
    const now = this.now();
    const {
      freeAttempts,
      attemptDelaySeconds: delay,
      maxAttemptDelaySeconds: max,
    } = this.settings.security;
    const over = failures + 1 - freeAttempts;
    return {
      failures: failures + 1,
      next_attempt_at:
        over < 0 ? 0 : now + Math.min(delay * 2 ** over, max) * 1000,
      wrong_codes_until: Math.max(wrong_codes_until, now) + this.shareMs,
    };
  }

  /**
   * The standing after a right code.
   *
   * @param wasSent whether it was sent to an enrolled user by e-mail, SMS or voice
   */
  afterRightCode(before: Standing, wasSent: boolean): Standing {
    return {
      failures: wasSent ? before.failures : 0,
      next_attempt_at: 0,
      wrong_codes_until: before.wrong_codes_until,
    };
  }
}
