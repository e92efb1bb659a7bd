import { Inject, Injectable } from '@nestjs/common';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { inSeconds } from '../factors/wait-text.js';
import type { Unit } from '../store/database.js';
import type { MessageCountRow } from '../store/schema.js';
import type { NumberPlace } from './number-policy.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Old rows that one message deletes at most; it adds two. */
const PURGE_ROWS = 20;

/**
 * Stops SMS pumping: someone makes a site send messages to numbers that earn them
 * money, and enters none of the codes. Messages whose code was not entered are
 * counted by block of 10,000 numbers, and by country and realm, for 24 hours from
 * the first one. Where many of them are, and few codes are entered, no more go.
 */
@Injectable()
export class PumpingGuard {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  /**
   * Counts a message.
   *
   * @returns what it counts against: a line each
   * @throws RateLimitError if too few codes are entered there
   */
  async take(
    unit: Unit,
    realm: string,
    channel: 'sms' | 'voice',
    { country, block }: NumberPlace,
  ): Promise<string> {
    const { security } = this.settings;
    await this.forgetOld(unit);
    const limits = [
      [`block ${realm} ${channel} ${block}`, security.unusedCodesPerBlock],
      [
        `country ${realm} ${channel} ${country}`,
        security.unusedCodesPerCountry,
      ],
    ] as const;
    // Always the block first, so that two units cannot deadlock.
    for (const [subject, max] of limits) await this.takeOne(unit, subject, max);
    return limits.map(([subject]) => subject).join('\n');
  }

  /** Uncounts a message that was certainly not sent. */
  async giveBack({ db }: Unit, subjects: string): Promise<void> {
    for (const subject of subjects.split('\n'))
      await db
        .updateTable('message_counts')
        .set((eb) => ({ sent: eb('sent', '-', 1) }))
        .where('subject', '=', subject)
        .where('sent', '>', 0)
        .execute();
  }

  private async takeOne(
    { db, dialect }: Unit,
    subject: string,
    max: number,
  ): Promise<void> {
    const now = this.now();
    const fresh = { subject, since: now, sent: 1, entered: 0 };
    const created = await db
      .insertInto('message_counts')
      .values(fresh)
      .onConflict((conflict) => conflict.doNothing())
      .returning('subject')
      .executeTakeFirst();
    if (created) return;
    const row = await db
      .selectFrom('message_counts')
      .selectAll()
      .where('subject', '=', subject)
      .$if(dialect === 'postgres', (query) => query.forUpdate())
      .executeTakeFirstOrThrow();
    const isOver = row.since <= now - DAY_MS;
    if (!isOver && this.isPumped(row, max))
      throw new RateLimitError(
        `Too many codes sent to numbers like this one were not entered: wait ${inSeconds(Math.ceil((row.since + DAY_MS - now) / 1000))}, or use another channel`,
        {
          errorCode: 'too_many_unused_codes',
          retryAfterSeconds: Math.ceil((row.since + DAY_MS - now) / 1000),
        },
      );
    await db
      .updateTable('message_counts')
      .set(isOver ? fresh : { sent: row.sent + 1 })
      .where('subject', '=', subject)
      .execute();
  }

  private isPumped({ sent, entered }: MessageCountRow, max: number): boolean {
    const { minEnteredShare } = this.settings.security;
    return sent - entered >= max && entered * 100 < sent * minEnteredShare;
  }

  private async forgetOld({ db }: Unit): Promise<void> {
    await db
      .deleteFrom('message_counts')
      .where('subject', 'in', (eb) =>
        eb
          .selectFrom('message_counts')
          .select('subject')
          .where('since', '<=', this.now() - 2 * DAY_MS)
          .limit(PURGE_ROWS),
      )
      .execute();
  }
}
