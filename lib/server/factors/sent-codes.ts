import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { Keyring } from '../store/keyring.js';
import {
  DATABASE,
  type Database,
  type SentCodeRow,
  type UserRow,
} from '../store/schema.js';
import type { Channel } from '../../contract/channel.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { type AcceptedCode, AttemptLimiter } from './attempt-limiter.js';
import { CODE_DIGITS } from './otp.js';
import { randomDigits } from '../store/random.js';

/** A code to be sent. */
export interface IssuedCode {
  code: string;
  /** Makes the channel's last code valid again: this one was surely not delivered. */
  withdraw(): Promise<void>;
}

/** Codes sent by e-mail, SMS or voice: one per channel at a time, each accepted once. */
@Injectable()
export class SentCodes {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
    private readonly attempts: AttemptLimiter,
  ) {}

  /**
   * Makes a code, which replaces the channel's last one until `withdraw` is called.
   * The user's failures stay.
   *
   * @param user the row that the destination was chosen from
   * @param column the address column that was used, if one was: no code is issued
   *   for an address that is no longer the user's
   * @throws NotFoundError if the user was deleted or reset, or that address changed
   */
  async issue(
    user: UserRow,
    channel: Channel,
    column?: 'email' | 'sms_number' | 'voice_number',
  ): Promise<IssuedCode> {
    const code = randomDigits(CODE_DIGITS);
    const hash = this.keyring.hash(subject(user.id, channel, code));
    const expiresAt =
      this.now() + this.settings.security.sentCodeTtlSeconds * 1000;
    const hasAddress = column
      ? sql`${sql.ref(column)} = ${user[column]}`
      : sql`true`;
    const { numAffectedRows, last } = await this.db
      .transaction()
      .execute(async (trx) => {
        const last = await trx
          .selectFrom('sent_codes')
          .select(['code_hash', 'expires_at', 'tries'])
          .where('user_id', '=', user.id)
          .where('channel', '=', channel)
          .executeTakeFirst();
        const { numAffectedRows } = await sql`
      insert into sent_codes (user_id, channel, code_hash, expires_at, tries)
      select id, ${channel}, ${hash}, ${expiresAt}, 0
      from users
      where id = ${user.id} and totp_secret = ${user.totp_secret} and ${hasAddress}
      on conflict (user_id, channel) do update set
        code_hash = excluded.code_hash,
        expires_at = excluded.expires_at,
        tries = 0`.execute(trx);
        return { numAffectedRows, last };
      });
    if (numAffectedRows !== 1n)
      throw new NotFoundError(
        'The user was changed or deleted while the code was being sent',
        {
          errorCode: 'user_not_found',
        },
      );
    return {
      code,
      withdraw: () => this.withdraw(user.id, channel, hash, last),
    };
  }

  /** Does nothing if the code was used, replaced or deleted. */
  private async withdraw(
    userId: string,
    channel: Channel,
    hash: string,
    last: Pick<SentCodeRow, 'code_hash' | 'expires_at' | 'tries'> | undefined,
  ): Promise<void> {
    // Without a last code: an expired row, which matches nothing.
    const before = last ?? { code_hash: '', expires_at: 0, tries: 0 };
    await this.db
      .updateTable('sent_codes')
      .set(before)
      .where('user_id', '=', userId)
      .where('channel', '=', channel)
      .where('code_hash', '=', hash)
      .execute();
  }

  /**
   * Checks a code, and marks a right one as used.
   *
   * @param user the result of `AttemptLimiter.reserve`
   * @returns `null` if the code is wrong, used, expired, or was tried too often
   */
  async use(user: UserRow, code: string): Promise<AcceptedCode | null> {
    const userId = user.id;
    const live = await this.db
      .updateTable('sent_codes')
      .set((eb) => ({ tries: eb('tries', '+', 1) }))
      .where('user_id', '=', userId)
      .where('expires_at', '>', this.now())
      .where('tries', '<', this.settings.security.sentCodeTries)
      .returning(['channel', 'code_hash'])
      .execute();
    const match = live.find(({ channel, code_hash }) =>
      this.keyring.matches(code_hash, subject(userId, channel, code)),
    );
    if (!match) return null;
    return await this.db.transaction().execute(async (trx) => {
      const { numDeletedRows } = await trx
        .deleteFrom('sent_codes')
        .where('user_id', '=', userId)
        .where('channel', '=', match.channel)
        .where('code_hash', '=', match.code_hash)
        .executeTakeFirst();
      if (numDeletedRows !== 1n) return null;
      const { epoch } = await trx
        .updateTable('users')
        .set(this.attempts.forgiveSent(user))
        .where('id', '=', userId)
        .returning('epoch')
        .executeTakeFirstOrThrow();
      return { method: match.channel, epoch };
    });
  }
}

/** The hashed text, bound to user and channel: a row copied to another user matches nothing. */
function subject(userId: string, channel: Channel, code: string): string {
  return `sent-code\n${userId}\n${channel}\n${code}`;
}
