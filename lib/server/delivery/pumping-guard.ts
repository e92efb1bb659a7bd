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

/** What a message counts in. */
interface Limit {
  subject: string;
  /** Codes that may go unused where few are entered. */
  max: number;
  /** Codes that may go unused at all. */
  most: number;
}

/**
 * Stops SMS pumping: someone makes a site send messages to numbers that earn them
 * money, and enters none of the codes. Messages whose code was not entered, or not
 * yet, are counted by block of 10,000 numbers, and by country, for 24 hours from the
 * first one. Where there are many of them, and few codes were entered on this day
 * and the one before, no more go.
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
    const limits: Limit[] = [
      {
        subject: `block ${realm} ${channel} ${block}`,
        max: security.unusedCodesPerBlock,
        most: Infinity,
      },
      {
        subject: `country ${realm} ${channel} ${country}`,
        max: security.unusedCodesPerCountry,
        most: security.mostUnusedCodesPerCountry,
      },
    ];
    // Always the block first, so that two units cannot deadlock.
    for (const limit of limits) await this.takeOne(unit, limit);
    // Last: it waits for no row that another unit has locked.
    await this.forgetOld(unit);
    return limits.map(({ subject }) => subject).join('\n');
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

  private async takeOne(unit: Unit, limit: Limit): Promise<void> {
    const now = this.now();
    const { subject } = limit;
    const fresh = {
      subject,
      since: now,
      sent: 1,
      entered: 0,
      last_sent_at: now,
    };
    const row = await this.lockOrCreate(unit, { ...fresh, entered_before: 0 });
    if (row === undefined) return;
    const isOver = row.since <= now - DAY_MS;
    const isOlder = row.since <= now - 2 * DAY_MS;
    const entered_before = isOlder ? 0 : row.entered;
    if (!isOver && this.isPumped(row, limit)) throw this.refusal(row);
    await unit.db
      .updateTable('message_counts')
      .set(
        isOver
          ? { ...fresh, entered_before }
          : { sent: row.sent + 1, last_sent_at: now },
      )
      .where('subject', '=', subject)
      .execute();
  }

  /** The row, locked; `undefined` if it is the new one. */
  private async lockOrCreate(
    { db, dialect }: Unit,
    fresh: MessageCountRow,
  ): Promise<MessageCountRow | undefined> {
    for (;;) {
      const created = await db
        .insertInto('message_counts')
        .values(fresh)
        .onConflict((conflict) => conflict.doNothing())
        .returning('subject')
        .executeTakeFirst();
      if (created) return undefined;
      const row = await db
        .selectFrom('message_counts')
        .selectAll()
        .where('subject', '=', fresh.subject)
        .$if(dialect === 'postgres', (query) => query.forUpdate())
        .executeTakeFirst();
      // Another unit may have deleted the old row in between.
      if (row) return row;
    }
  }

  private isPumped(
    { sent, entered, entered_before }: MessageCountRow,
    { max, most }: Limit,
  ): boolean {
    const { minEnteredShare } = this.settings.security;
    const unused = sent - entered;
    const isRarelyEntered =
      (entered + entered_before) * 100 <
      (sent + entered_before) * minEnteredShare;
    return unused >= most || (unused >= max && isRarelyEntered);
  }

  /** Says when the last code expires: until then, some may be entered. After that, when the day ends. */
  private refusal({ since, last_sent_at }: MessageCountRow): RateLimitError {
    const now = this.now();
    const { sentCodeTtlSeconds } = this.settings.security;
    const expiry = last_sent_at + sentCodeTtlSeconds * 1000;
    const until = expiry > now ? expiry : since + DAY_MS;
    const retryAfterSeconds = Math.ceil((until - now) / 1000);
    return new RateLimitError(
      `Too many codes sent to numbers like this one were not entered: wait ${inSeconds(retryAfterSeconds)}, or use another channel`,
      { errorCode: 'too_many_unused_codes', retryAfterSeconds },
    );
  }

  private async forgetOld({ db, dialect }: Unit): Promise<void> {
    await db
      .deleteFrom('message_counts')
      .where('subject', 'in', (eb) =>
        eb
          .selectFrom('message_counts')
          .select('subject')
          .where('since', '<=', this.now() - 2 * DAY_MS)
          .limit(PURGE_ROWS)
          // Rows that another unit deletes or renews: waiting for them could deadlock.
          .$if(dialect === 'postgres', (query) =>
            query.forUpdate().skipLocked(),
          ),
      )
      .execute();
  }
}
