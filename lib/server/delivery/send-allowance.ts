import { Inject, Injectable } from '@nestjs/common';
import { sql, type Transaction } from 'kysely';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { inSeconds } from '../factors/in-seconds.js';
import { Keyring } from '../store/keyring.js';
import { DATABASE, type Database, type Schema } from '../store/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import type { Channel } from '../../contract/channel.js';
import { mailboxOf } from './mailbox-of.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A message that was allowed; {@link SendAllowance.giveBack} takes it back. */
export type Allowed = readonly { subject: string; number: number }[];

/** At most `max` messages of a subject in any `windowMs`, each `spacingMs` after the one before. */
interface Limit {
  subject: string;
  max: number;
  windowMs: number;
  spacingMs: number;
}

/**
 * Bounds the messages a user can be sent and an address can get: text messages
 * and calls cost money, and a flood of them is an attack of its own.
 */
@Injectable()
export class SendAllowance {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /**
   * Takes one message of each allowance, or of none: the user's of the channel,
   * the user's of the day, and the destination's.
   *
   * @throws RateLimitError where one of them is used up
   */
  async take(userId: string, channel: Channel, to: string): Promise<Allowed> {
    const limits = this.limits(userId, channel, to);
    // Read first: whoever has to wait costs no write.
    await this.refuse(limits);
    await this.forgetOld();
    try {
      return await this.db.transaction().execute(async (trx) => {
        const allowed = [];
        // Always in this order, so that two transactions cannot wait for each other.
        for (const limit of limits)
          allowed.push({
            subject: limit.subject,
            number: await this.takeOne(trx, limit),
          });
        return allowed;
      });
    } catch (error) {
      if (!(error instanceof UsedUp)) throw error;
      // Another message came first.
      await this.refuse(limits);
      throw tooMany(1);
    }
  }

  /** For a message that could not be delivered. */
  async giveBack(allowed: Allowed): Promise<void> {
    for (const { subject, number } of allowed)
      await this.db
        .deleteFrom('sends')
        .where('subject', '=', subject)
        .where('number', '=', number)
        .execute();
  }

  private limits(userId: string, channel: Channel, to: string): Limit[] {
    const { sendSpacingSeconds, sendWindowSeconds, sendsPerWindow } =
      this.settings.security;
    const often = {
      max: sendsPerWindow,
      windowMs: sendWindowSeconds * 1000,
      spacingMs: sendSpacingSeconds * 1000,
    };
    const destination = channel === 'email' ? mailboxOf(to) : to;
    return [
      { subject: `user\n${userId}\n${channel}`, ...often },
      {
        subject: `user\n${userId}`,
        max: this.settings.security.sendsPerDay,
        windowMs: DAY_MS,
        spacingMs: 0,
      },
      {
        // The address itself is not kept: it may be one that is not the user's.
        subject: this.keyring.hash(`destination\n${channel}\n${destination}`),
        ...often,
      },
    ];
  }

  private async forgetOld(): Promise<void> {
    const longest = Math.max(
      DAY_MS,
      this.settings.security.sendWindowSeconds * 1000,
    );
    await this.db
      .deleteFrom('sends')
      .where('sent_at', '<=', this.now() - longest)
      .execute();
  }

  /**
   * One insert that selects nothing where the allowance is used up. Two at the
   * same moment compute the same number, and the primary key lets one in.
   */
  private async takeOne(
    trx: Transaction<Schema>,
    { subject, max, windowMs, spacingMs }: Limit,
  ): Promise<number> {
    const now = this.now();
    // Numbered over all rows, also those of before the window, which are not purged yet.
    const inserted = await sql<{ number: number }>`
      insert into sends (subject, number, sent_at)
      select ${subject}, coalesce(max(number), 0) + 1, ${now}
      from sends
      where subject = ${subject}
      having coalesce(sum(case when sent_at > ${now - windowMs} then 1 else 0 end), 0) < ${max}
        and coalesce(max(sent_at), 0) <= ${now - spacingMs}
      on conflict do nothing
      returning number`.execute(trx);
    const row = inserted.rows[0];
    if (!row) throw new UsedUp();
    return row.number;
  }

  /** @throws RateLimitError that says when all the limits allow the next one */
  private async refuse(limits: Limit[]): Promise<void> {
    const now = this.now();
    let nextAt = now;
    for (const { subject, max, windowMs, spacingMs } of limits) {
      const sent = await this.db
        .selectFrom('sends')
        .select('sent_at')
        .where('subject', '=', subject)
        .where('sent_at', '>', now - windowMs)
        .orderBy('sent_at', 'desc')
        .limit(max)
        .execute();
      if (sent.length > 0)
        nextAt = Math.max(nextAt, sent[0]!.sent_at + spacingMs);
      if (sent.length === max)
        nextAt = Math.max(nextAt, sent.at(-1)!.sent_at + windowMs);
    }
    if (nextAt > now) throw tooMany(Math.ceil((nextAt - now) / 1000));
  }
}

/** Rolls the transaction back. */
class UsedUp extends Error {}

function tooMany(seconds: number): RateLimitError {
  return new RateLimitError(
    `Too many messages: wait ${inSeconds(seconds)} before the next`,
    { errorCode: 'too_many_sends', retryAfterSeconds: seconds },
  );
}
