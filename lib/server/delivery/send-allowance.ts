import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { inSeconds } from '../factors/wait-text.js';
import { Keyring } from '../store/keyring.js';
import type { Queries, Unit } from '../store/database.js';
import type { UserRow } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { Channel } from '../../contract/channel.js';
import { mailboxOf } from './mailbox-of.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Old rows that one message deletes at most; it adds five. */
const PURGE_ROWS = 100;

/** A message that was counted; {@link SendAllowance.giveBack} undoes it. */
export type Allowed = readonly { subject: string; number: number }[];

/** At most `max` messages of a subject in any `windowMs`. */
interface Limit {
  subject: string;
  max: number;
  windowMs: number;
  /** Whether a message that could not be delivered is uncounted. */
  isGivenBack: boolean;
}

/**
 * Limits the messages sent to a user and to an address: text messages and calls
 * cost money, and a flood of them is itself an attack.
 */
@Injectable()
export class SendAllowance {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /**
   * Counts one message against all limits, or against none of them: the user's of
   * the channel, the destination's in the user's realm, the user's of the day, and
   * the spacing for the user on the channel and for the destination.
   *
   * @throws RateLimitError if one of them is reached
   */
  async take(
    { db }: Unit,
    user: UserRow,
    channel: Channel,
    to: string,
  ): Promise<Allowed> {
    const limits = this.limits(user, channel, to);
    await this.refuse(db, limits);
    await this.forgetOld(db);
    const allowed: Allowed[number][] = [];
    // Always in the same order, so that two units cannot deadlock.
    for (const limit of limits) {
      const number = await this.takeOne(db, limit);
      if (limit.isGivenBack) allowed.push({ subject: limit.subject, number });
    }
    return allowed;
  }

  /** Uncounts a message that could not be delivered, except for the spacing. */
  async giveBack({ db }: Unit, allowed: Allowed): Promise<void> {
    for (const { subject, number } of allowed)
      await db
        .deleteFrom('sends')
        .where('subject', '=', subject)
        .where('number', '=', number)
        .execute();
  }

  private limits(
    { id: userId, realm }: UserRow,
    channel: Channel,
    to: string,
  ): Limit[] {
    const { sendSpacingSeconds, sendWindowSeconds, sendsPerWindow } =
      this.settings.security;
    const address = channel === 'email' ? mailboxOf(to) : to;
    // Not the address itself: it may not be the user's. Of one realm: another's
    // messages neither use it up nor show in its refusals.
    const destination = this.keyring.hash(
      `destination\n${realm}\n${channel}\n${address}`,
    );
    const subjects = [`user\n${userId}\n${channel}`, destination];
    return [
      ...subjects.map((subject) => ({
        subject,
        max: sendsPerWindow,
        windowMs: sendWindowSeconds * 1000,
        isGivenBack: true,
      })),
      {
        subject: `user\n${userId}`,
        max: this.settings.security.sendsPerDay,
        windowMs: DAY_MS,
        isGivenBack: true,
      },
      // A mail server that refuses an address is not asked again at once.
      ...subjects.map((subject) => ({
        subject: `spacing\n${subject}`,
        max: 1,
        windowMs: sendSpacingSeconds * 1000,
        isGivenBack: false,
      })),
    ];
  }

  private async forgetOld(db: Queries): Promise<void> {
    const longest = Math.max(
      DAY_MS,
      this.settings.security.sendWindowSeconds * 1000,
    );
    // Not all at once: after a break there may be millions.
    await db
      .deleteFrom('sends')
      .where((eb) =>
        eb(
          eb.refTuple('subject', 'number'),
          'in',
          eb
            .selectFrom('sends')
            .select(['subject', 'number'])
            .where('sent_at', '<=', this.now() - longest)
            .orderBy('sent_at')
            .limit(PURGE_ROWS)
            .$asTuple('subject', 'number'),
        ),
      )
      .execute();
  }

  /**
   * One insert that selects nothing if the limit is reached. Two simultaneous ones
   * compute the same number, and the primary key admits one of them.
   */
  private async takeOne(
    db: Queries,
    { subject, max, windowMs }: Limit,
  ): Promise<number> {
    const now = this.now();
    // Numbered over all rows, including those that are older than the window.
    const inserted = await sql<{ number: number }>`
      insert into sends (subject, number, sent_at)
      select ${subject}, coalesce(max(number), 0) + 1, cast(${now} as bigint)
      from sends
      where subject = ${subject}
      having coalesce(sum(case when sent_at > cast(${now - windowMs} as bigint) then 1 else 0 end), 0) < cast(${max} as integer)
      on conflict do nothing
      returning number`.execute(db);
    const row = inserted.rows[0];
    // Another instance took the same number.
    if (!row) throw tooMany(1);
    return row.number;
  }

  /** @throws RateLimitError with the time after which all limits allow another message */
  private async refuse(db: Queries, limits: Limit[]): Promise<void> {
    const now = this.now();
    let nextAt = now;
    for (const { subject, max, windowMs } of limits) {
      const sent = await db
        .selectFrom('sends')
        .select('sent_at')
        .where('subject', '=', subject)
        .where('sent_at', '>', now - windowMs)
        .orderBy('sent_at', 'desc')
        .limit(max)
        .execute();
      if (sent.length === max)
        nextAt = Math.max(nextAt, sent.at(-1)!.sent_at + windowMs);
    }
    if (nextAt > now) throw tooMany(Math.ceil((nextAt - now) / 1000));
  }
}

function tooMany(seconds: number): RateLimitError {
  return new RateLimitError(
    `Too many messages: wait ${inSeconds(seconds)} before the next message`,
    { errorCode: 'too_many_sends', retryAfterSeconds: seconds },
  );
}
