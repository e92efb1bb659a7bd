import { Inject, Injectable } from '@nestjs/common';
import type { AuthMethod } from '../../contract/dto/check-result.dto.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import type { UserRow } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { inSeconds } from './wait-text.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A code that was right, and is now used. */
export interface AcceptedCode {
  method: AuthMethod;
  /** The user's epoch when the code was accepted. */
  epoch: string;
}

/** The columns that decide whether a user may try a code. */
export type Standing = Pick<
  UserRow,
  'failures' | 'next_attempt_at' | 'wrong_codes_until'
>;

/** The numbers that the statements of an attempt need. */
export interface AttemptNumbers {
  now: number;
  /** failures from which on a user is locked */
  lockAt: number;
  /** attempts without a wait */
  free: number;
  /** the first wait, milliseconds; doubles with each failure */
  delayMs: number;
  /** doublings until the longest wait is reached */
  doublings: number;
  maxDelayMs: number;
  /** how far one attempt moves `wrong_codes_until`, milliseconds */
  shareMs: number;
  /** how far ahead `wrong_codes_until` may be for another attempt, milliseconds */
  aheadMs: number;
}

/**
 * Limits how often codes of a user can be guessed. The numbers are in
 * `settings/security.options.ts`.
 *
 * An attempt counts as failed before its code is compared, in one statement. So
 * 200 simultaneous guesses count as 200, and all but the allowed few are refused
 * without a comparison. There are two counts, and `reset_key` resets both:
 *
 * - Consecutive failures (`failures`, `next_attempt_at`) make the user wait, and
 *   finally lock them. A six-digit code may be a guess at the authenticator app
 *   or at a sent code, so both share this count. A right TOTP code or one-time
 *   pass resets it. A right sent code resets it only if the user has no
 *   authenticator app; otherwise it takes back just its own attempt. If it reset
 *   the count, access to the mailbox would allow more guesses at the app.
 * - Wrong codes in a day (`wrong_codes_until`): a right code takes back just its
 *   own attempt. The column is the time at which the allowance is full again:
 *   each attempt moves it forward by one share of the day, and is refused if it
 *   is too far ahead (generic cell rate algorithm). One number thus limits every
 *   window of 24 hours, and a refused user waits minutes, not until the next day.
 */
@Injectable()
export class AttemptLimiter {
  private readonly numbers: Omit<AttemptNumbers, 'now'>;

  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) { security }: ServerSettings,
  ) {
    const { maxWrongCodesPerDay } = security;
    const atOnce = Math.ceil(maxWrongCodesPerDay / 2);
    const overTheDay = Math.max(1, Math.floor(maxWrongCodesPerDay / 2));
    const shareMs = Math.ceil(DAY_MS / overTheDay);
    const { attemptDelaySeconds: delay, maxAttemptDelaySeconds: max } =
      security;
    this.numbers = {
      lockAt: security.lockAfterAttempts,
      free: security.freeAttempts,
      delayMs: delay * 1000,
      // Bounds the shift.
      doublings: Math.max(0, Math.ceil(Math.log2(max / delay))),
      maxDelayMs: max * 1000,
      shareMs,
      aheadMs: (atOnce - 1) * shareMs,
    };
  }

  /** The numbers for an attempt now. */
  atNow(): AttemptNumbers {
    return { ...this.numbers, now: this.now() };
  }

  /**
   * Why an attempt of a user was not counted: they have to wait or are locked, or
   * they do not exist.
   */
  refusal(standing: Standing | undefined): RateLimitError | NotFoundError {
    if (!standing)
      return new NotFoundError('No such user', { errorCode: 'user_not_found' });
    const { lockAt, aheadMs, maxDelayMs } = this.numbers;
    if (standing.failures >= lockAt)
      return new RateLimitError(
        'The user is locked after too many wrong codes: only reset_key or unlock unlocks them',
        {
          errorCode: 'user_locked',
          retryAfterSeconds: maxDelayMs / 1000,
        },
      );
    const nextAt = Math.max(
      standing.next_attempt_at,
      standing.wrong_codes_until - aheadMs,
    );
    return this.tooMany(Math.max(1, Math.ceil((nextAt - this.now()) / 1000)));
  }

  private tooMany(seconds: number): RateLimitError {
    return new RateLimitError(
      `Too many wrong codes: wait ${inSeconds(seconds)} before the next attempt`,
      { errorCode: 'too_many_attempts', retryAfterSeconds: seconds },
    );
  }
}
