import { Inject, Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { DATABASE, type Database, type UserRow } from '../store/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import { inSeconds } from './in-seconds.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** What decides whether a user may try a code. */
type Standing = Pick<
  UserRow,
  'failures' | 'next_attempt_at' | 'wrong_codes_until'
>;

/** What a right code sets; part of the statement that uses the code up. */
type Forgiveness = Record<keyof Standing, RawBuilder<number>>;

/**
 * Counts attempts to enter a code, so that nobody guesses one.
 *
 * An attempt counts as failed before its code is looked at, in one statement.
 * So 200 guesses at the same moment are 200 in the counts, and all but the
 * allowed few are refused without a look. There are two counts:
 *
 * - Consecutive failures (`failures`, `next_attempt_at`): they make the user
 *   wait, and finally lock them. A six-digit code may be a guess at the
 *   authenticator app or at a sent code, so both share this count. A right TOTP
 *   code or one-time pass sets it back. A right sent code sets it back only
 *   where the user has no authenticator app enrolled; where they have, it takes
 *   back its own attempt alone, or the mailbox would buy guesses at the app.
 * - Wrong codes in a day (`wrong_codes_until`): a right code of any kind takes
 *   back its own attempt alone. Kept as the time at which the allowance is whole
 *   again: each attempt moves that on by one share of the day, and is refused
 *   where it is too far ahead (the generic cell rate algorithm). One number
 *   holds for every window of 24 hours, and a refused user waits for minutes
 *   rather than until the next day.
 *
 * `reset_key` starts both anew.
 */
@Injectable()
export class Attempts {
  /** What one attempt takes of the day. */
  private readonly shareMs: number;
  /** How far ahead `wrong_codes_until` may be for one more attempt. */
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
   * Takes one attempt of a user, in one statement.
   *
   * @returns the user as they are now
   * @throws RateLimitError where the user has to wait, or is locked; nothing is written then
   * @throws NotFoundError where the user was deleted meanwhile
   */
  async reserve(userId: string): Promise<UserRow> {
    // Read first: whoever has to wait costs no write.
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
    // Another attempt came first.
    await this.refuseIfWaiting(userId);
    throw this.tooMany(1);
  }

  /**
   * Refuses a user who has to wait, or is locked, by reading alone. One who does
   * not exist has to wait for nothing.
   *
   * @throws RateLimitError
   */
  async refuseWaiting(realm: string, uniqueId: unknown): Promise<void> {
    // `check/` itself answers these, with `false`.
    if (this.settings.whileLocked === 'false') return;
    if (typeof uniqueId !== 'string') return;
    const user = await this.db
      .selectFrom('users')
      .select(['failures', 'next_attempt_at', 'wrong_codes_until'])
      .where('realm', '=', realm)
      .where('unique_id', '=', uniqueId)
      .executeTakeFirst();
    if (user) this.refuse(user);
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
        'The user is locked after too many wrong codes: only reset_key helps',
        {
          errorCode: 'user_locked',
          retryAfterSeconds: maxAttemptDelaySeconds,
        },
      );
    const nextAt = Math.max(next_attempt_at, wrong_codes_until - this.aheadMs);
    const waitMs = nextAt - this.now();
    if (waitMs > 0) throw this.tooMany(Math.ceil(waitMs / 1000));
  }

  /** For a right TOTP code or one-time pass. */
  forgiveAll(): Forgiveness {
    return {
      failures: sql`0`,
      next_attempt_at: sql`0`,
      wrong_codes_until: this.withoutThis(),
    };
  }

  /**
   * For a right sent code.
   *
   * @param reserved the user as `reserve` returned them
   */
  forgiveSent({ next_attempt_at }: Standing): Forgiveness {
    return {
      failures: sql`case when enrolled = 0 then 0 else max(failures - 1, 0) end`,
      // The wait of this attempt ends with it; that of another one goes on.
      next_attempt_at: sql`case when enrolled = 0 or next_attempt_at = ${next_attempt_at} then 0 else next_attempt_at end`,
      wrong_codes_until: this.withoutThis(),
    };
  }

  private withoutThis() {
    return sql<number>`wrong_codes_until - ${this.shareMs}`;
  }

  private async refuseIfWaiting(userId: string): Promise<void> {
    const user = await this.db
      .selectFrom('users')
      .select(['failures', 'next_attempt_at', 'wrong_codes_until'])
      .where('id', '=', userId)
      .executeTakeFirst();
    if (!user)
      throw new NotFoundError('No such user', { errorCode: 'user_not_found' });
    this.refuse(user);
  }

  /** In SQL, because only there the count cannot change under it. */
  private nextAttemptAt(now: number) {
    const {
      freeAttempts,
      attemptDelaySeconds: delay,
      maxAttemptDelaySeconds: max,
    } = this.settings.security;
    // Doublings after which the longest wait is reached: keeps the shift small.
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
      `Too many wrong codes: wait ${inSeconds(seconds)} before the next`,
      { errorCode: 'too_many_attempts', retryAfterSeconds: seconds },
    );
  }
}
