import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { RateLimitError } from '../../errors/rate-limit.error.js';
import { NotFoundError } from '../../errors/not-found.error.js';
import { CLOCK, type Clock } from '../clock.js';
import { DATABASE, type Database, type UserRow } from '../database/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings.js';

/**
 * Counts attempts to enter a code, so that nobody guesses one.
 *
 * An attempt counts as failed before its code is looked at; a right code sets
 * the count back. So 200 guesses at the same moment are 200 in the count, and
 * all but the allowed few are turned away without a look.
 */
@Injectable()
export class Attempts {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  /**
   * Takes one attempt of a user, in one statement.
   *
   * @returns the user as they are now
   * @throws RateLimitError where the user has to wait, or is locked
   * @throws NotFoundError where the user was deleted meanwhile
   */
  async reserve(userId: string): Promise<UserRow> {
    const now = this.now();
    const { lockAfterAttempts } = this.settings.security;
    const user = await this.db
      .updateTable('users')
      .set((eb) => ({
        failures: eb('failures', '+', 1),
        next_attempt_at: this.nextAttemptAt(now),
      }))
      .where('id', '=', userId)
      .where('failures', '<', lockAfterAttempts)
      .where('next_attempt_at', '<=', now)
      .returningAll()
      .executeTakeFirst();
    return user ?? (await this.refuse(userId, now));
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

  private async refuse(userId: string, now: number): Promise<never> {
    const { lockAfterAttempts, maxAttemptDelaySeconds } =
      this.settings.security;
    const user = await this.db
      .selectFrom('users')
      .select(['failures', 'next_attempt_at'])
      .where('id', '=', userId)
      .executeTakeFirst();
    if (!user)
      throw new NotFoundError('No such user', { errorCode: 'user_not_found' });
    if (user.failures >= lockAfterAttempts)
      throw new RateLimitError(
        'The user is locked after too many wrong codes: only reset_key helps',
        {
          errorCode: 'user_locked',
          retryAfterSeconds: maxAttemptDelaySeconds,
        },
      );
    throw new RateLimitError('Too many wrong codes: wait before the next', {
      errorCode: 'too_many_attempts',
      retryAfterSeconds: Math.max(
        1,
        Math.ceil((user.next_attempt_at - now) / 1000),
      ),
    });
  }
}

/** What a right code does to the count of attempts; part of the statement that uses the code up. */
export const ATTEMPTS_FORGIVEN = { failures: 0, next_attempt_at: 0 } as const;
