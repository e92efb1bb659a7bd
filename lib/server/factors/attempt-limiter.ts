import { Inject, Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import type { AuthMethod } from '../../contract/dto/check-result.dto.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { DATABASE, type Database, type UserRow } from '../store/schema.js';
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
type Standing = Pick<
  UserRow,
  'failures' | 'next_attempt_at' | 'wrong_codes_until'
>;

/** What a right code sets, in the statement that marks the code as used. */
type Forgiveness = Record<keyof Standing, RawBuilder<number>>;

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
  /** How far one attempt moves `wrong_codes_until`, milliseconds. */
  private readonly shareMs: number;
  /** How far ahead `wrong_codes_until` may be for another attempt, milliseconds. */
  private readonly aheadMs: number;

  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {
    const { maxWrongCodesPerDay } = settings.security;
    const atOnce = Math.ceil(maxWrongCodesPerDay / 2);
    const overTheDay = Math.max(1, Math.floor(maxWrongCodesPerDay / 2));
    this.shareMs = Math.ceil(DAY_MS / overTheDay);
    this.aheadMs = (atOnce - 1) * this.shareMs;
  }

  /**
   * Counts one attempt of a user, in one statement.
   *
   * @returns the user after that
   * @throws RateLimitError if the user has to wait or is locked; then nothing is written
   * @throws NotFoundError if the user has been deleted
   */
  async reserve(userId: string): Promise<UserRow> {
    // Read first: refusing a user who has to wait costs no write.
    await this.refuseIfWaiting(userId);
    const now = this.now();
    const { lockAfterAttempts } = this.settings.security;
    const user = await this.db
      .updateTable('users')
      .set((eb) => ({
        failures: eb('failures', '+', 1),
        next_attempt_at: this.nextAttemptAt(now),
        wrong_codes_until: sql<number>`max(wrong_codes_until, ${now}) + ${this.shareMs}`,
      }))
      .where('id', '=', userId)
      .where('failures', '<', lockAfterAttempts)
      .where('next_attempt_at', '<=', now)
      .where('wrong_codes_until', '<=', now + this.aheadMs)
      .returningAll()
      .executeTakeFirst();
    if (user) return user;
    // Another attempt was faster.
    await this.refuseIfWaiting(userId);
    throw this.tooMany(1);
  }

  /**
   * Refuses a user who has to wait or is locked, without a write. Does nothing for
   * a user who does not exist.
   *
   * @throws RateLimitError
   */
  async refuseWaiting(realm: string, uniqueId: unknown): Promise<void> {
    // `check/` answers them itself, with `false`.
    if (this.settings.whileLocked === 'false') return;
    if (typeof uniqueId !== 'string') return;
    const user = await this.standings()
      .where('realm', '=', realm)
      .where('unique_id', '=', uniqueId)
      .executeTakeFirst();
    if (user) this.refuse(user);
  }

  private standings() {
    return this.db
      .selectFrom('users')
      .select(['failures', 'next_attempt_at', 'wrong_codes_until']);
  }

  private refuse({
    failures,
    next_attempt_at,
    wrong_codes_until,
  }: Standing): void {
    const { lockAfterAttempts, maxAttemptDelaySeconds } =
      this.settings.security;
    if (failures >= lockAfterAttempts)
      throw new RateLimitError(
        'The user is locked after too many wrong codes: only reset_key unlocks them',
        {
          errorCode: 'user_locked',
          retryAfterSeconds: maxAttemptDelaySeconds,
        },
      );
    const nextAt = Math.max(next_attempt_at, wrong_codes_until - this.aheadMs);
    const waitMs = nextAt - this.now();
    if (waitMs > 0) throw this.tooMany(Math.ceil(waitMs / 1000));
  }

  /** What a right TOTP code or one-time pass sets. */
  forgiveAll(): Forgiveness {
    return {
      failures: sql`0`,
      next_attempt_at: sql`0`,
      wrong_codes_until: this.withoutThis(),
    };
  }

  /**
   * What a right sent code sets.
   *
   * @param user the result of `reserve`
   */
  forgiveSent({ next_attempt_at }: Standing): Forgiveness {
    return {
      failures: sql`case when enrolled = 0 then 0 else max(failures - 1, 0) end`,
      // Ends the wait that this attempt caused, not one that a later attempt caused.
      next_attempt_at: sql`case when enrolled = 0 or next_attempt_at = ${next_attempt_at} then 0 else next_attempt_at end`,
      wrong_codes_until: this.withoutThis(),
    };
  }

  private withoutThis() {
    return sql<number>`wrong_codes_until - ${this.shareMs}`;
  }

  private async refuseIfWaiting(userId: string): Promise<void> {
    const user = await this.standings()
      .where('id', '=', userId)
      .executeTakeFirst();
    if (!user)
      throw new NotFoundError('No such user', { errorCode: 'user_not_found' });
    this.refuse(user);
  }

  /** In SQL, so that it uses the count of the same statement. */
  private nextAttemptAt(now: number) {
    const {
      freeAttempts,
      attemptDelaySeconds: delay,
      maxAttemptDelaySeconds: max,
    } = this.settings.security;
    // Doublings until the longest wait is reached: bounds the shift.
    const doublings = Math.max(0, Math.ceil(Math.log2(max / delay)));
    const over = sql`(failures + 1 - ${sql.lit(freeAttempts)})`;
    return sql<number>`case
      when ${over} < 0 then 0
      when ${over} >= ${sql.lit(doublings)} then ${sql.lit(now + max * 1000)}
      else ${sql.lit(now)} + (${sql.lit(delay * 1000)} << ${over})
    end`;
  }

  private tooMany(seconds: number): RateLimitError {
    return new RateLimitError(
      `Too many wrong codes: wait ${inSeconds(seconds)} before the next attempt`,
      { errorCode: 'too_many_attempts', retryAfterSeconds: seconds },
    );
  }
}
