import { Inject, Injectable } from '@nestjs/common';
import { sql, type Transaction } from 'kysely';
import { RateLimitError } from '../../errors/rate-limit.error.js';
import { CLOCK, type Clock } from '../clock.js';
import { Keyring } from '../database/keyring.js';
import { DATABASE, type Database, type Schema } from '../database/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings.js';
import type { Channel } from './channel.js';

/** A message that was allowed; {@link SendAllowance.giveBack} takes it back. */
export type Allowed = readonly { subject: string; number: number }[];

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
   * Takes one message of the user's and of the destination's allowance, both or
   * none.
   *
   * @throws RateLimitError where either is used up
   */
  async take(userId: string, channel: Channel, to: string): Promise<Allowed> {
    const subjects = [
      `user\n${userId}\n${channel}`,
      // The address itself is not kept: it may be one that is not the user's.
      this.keyring.hash(`destination\n${channel}\n${to.toLowerCase()}`),
    ];
    await this.forgetOld();
    return await this.db.transaction().execute(async (trx) => {
      const allowed = [];
      // Always user before destination, so that two transactions cannot wait for each other.
      for (const subject of subjects)
        allowed.push({ subject, number: await this.takeOne(trx, subject) });
      return allowed;
    });
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

  private async forgetOld(): Promise<void> {
    const { sendWindowSeconds } = this.settings.security;
    await this.db
      .deleteFrom('sends')
      .where('sent_at', '<=', this.now() - sendWindowSeconds * 1000)
      .execute();
  }

  /**
   * One insert that selects nothing where the allowance is used up. Two at the
   * same moment compute the same number, and the primary key lets one in.
   */
  private async takeOne(
    trx: Transaction<Schema>,
    subject: string,
  ): Promise<number> {
    const now = this.now();
    const { sendSpacingSeconds, sendWindowSeconds, sendsPerWindow } =
      this.settings.security;
    const inserted = await sql<{ number: number }>`
      insert into sends (subject, number, sent_at)
      select ${subject}, coalesce(max(number), 0) + 1, ${now}
      from sends
      where subject = ${subject} and sent_at > ${now - sendWindowSeconds * 1000}
      having count(*) < ${sendsPerWindow}
        and coalesce(max(sent_at), 0) <= ${now - sendSpacingSeconds * 1000}
      on conflict do nothing
      returning number`.execute(trx);
    const row = inserted.rows[0];
    if (row) return row.number;
    throw await this.refusal(trx, subject, now);
  }

  private async refusal(
    trx: Transaction<Schema>,
    subject: string,
    now: number,
  ): Promise<RateLimitError> {
    const { sendSpacingSeconds, sendWindowSeconds, sendsPerWindow } =
      this.settings.security;
    const sent = await trx
      .selectFrom('sends')
      .select('sent_at')
      .where('subject', '=', subject)
      .where('sent_at', '>', now - sendWindowSeconds * 1000)
      .orderBy('sent_at')
      .execute();
    const spacing = (sent.at(-1)?.sent_at ?? now) + sendSpacingSeconds * 1000;
    const window =
      sent.length < sendsPerWindow
        ? 0
        : sent[0]!.sent_at + sendWindowSeconds * 1000;
    return new RateLimitError('Too many messages: wait before the next', {
      errorCode: 'too_many_sends',
      retryAfterSeconds: Math.max(
        1,
        Math.ceil((Math.max(spacing, window) - now) / 1000),
      ),
    });
  }
}
