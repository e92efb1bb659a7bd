import { Inject, Injectable } from '@nestjs/common';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { Keyring } from '../store/keyring.js';
import { DATABASE, type Database, type UserRow } from '../store/schema.js';
import type { Channel } from '../../contract/channel.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import type { Accepted } from './accepted.js';
import { Attempts } from './attempts.js';
import { CODE_DIGITS } from './otp.js';
import { randomDigits } from '../store/random.js';

/** Codes sent by e-mail, SMS or voice: one of each channel at a time, used once. */
@Injectable()
export class SentCodes {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
    private readonly attempts: Attempts,
  ) {}

  /**
   * Makes a code, in place of the channel's last one. The user's count of failures stays.
   *
   * @param user as they were when it was decided where the code goes
   * @param column where that was read, if it was: a code for an address that is
   *   no longer the user's must not outlive the change
   * @throws NotFoundError where the user was deleted, or changed in what counts, meanwhile
   */
  async issue(
    user: UserRow,
    channel: Channel,
    column?: 'email' | 'sms_number' | 'voice_number',
  ): Promise<string> {
    const code = randomDigits(CODE_DIGITS);
    const row = {
      code_hash: this.keyring.hash(subject(user.id, channel, code)),
      expires_at: this.now() + this.settings.security.sentCodeTtlSeconds * 1000,
      tries: 0,
    };
    const { numInsertedOrUpdatedRows } = await this.db
      .insertInto('sent_codes')
      .columns(['user_id', 'channel', 'code_hash', 'expires_at', 'tries'])
      .expression((eb) =>
        eb
          .selectFrom('users')
          .select([
            'id',
            eb.val(channel).as('channel'),
            eb.val(row.code_hash).as('code_hash'),
            eb.val(row.expires_at).as('expires_at'),
            eb.val(row.tries).as('tries'),
          ])
          .where('id', '=', user.id)
          .where('totp_secret', '=', user.totp_secret)
          .$if(column !== undefined, (query) =>
            query.where(column!, '=', user[column!]),
          ),
      )
      .onConflict((conflict) =>
        conflict.columns(['user_id', 'channel']).doUpdateSet(row),
      )
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n)
      throw new NotFoundError('The user was changed or deleted meanwhile', {
        errorCode: 'user_not_found',
      });
    return code;
  }

  /**
   * Uses a code up.
   *
   * @param user as `Attempts.reserve` returned them
   * @returns what was accepted; `null` where it is wrong, used, expired, or was tried too often
   */
  async use(user: UserRow, code: string): Promise<Accepted | null> {
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

/** What is hashed: bound to user and channel, so that no row is of use elsewhere. */
function subject(userId: string, channel: Channel, code: string): string {
  return `sent-code\n${userId}\n${channel}\n${code}`;
}
