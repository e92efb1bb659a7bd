import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.js';
import { Keyring } from '../database/keyring.js';
import { DATABASE, type Database } from '../database/schema.js';
import type { Channel } from '../delivery/channel.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings.js';
import { ATTEMPTS_FORGIVEN } from './attempts.js';
import { CODE_DIGITS } from './otp.js';
import { randomDigits } from './random.js';

/** Codes sent by e-mail, SMS or voice: one of each channel at a time, used once. */
@Injectable()
export class SentCodes {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /** Makes a code, in place of the channel's last one. The user's count of failures stays. */
  async issue(userId: string, channel: Channel): Promise<string> {
    const code = randomDigits(CODE_DIGITS);
    const row = {
      code_hash: this.keyring.hash(subject(userId, channel, code)),
      expires_at: this.now() + this.settings.security.sentCodeTtlSeconds * 1000,
      tries: 0,
    };
    await this.db
      .insertInto('sent_codes')
      .values({ user_id: userId, channel, ...row })
      .onConflict((conflict) =>
        conflict.columns(['user_id', 'channel']).doUpdateSet(row),
      )
      .execute();
    return code;
  }

  /**
   * Uses a code up.
   *
   * @returns the channel it was sent by; `null` where it is wrong, used, expired, or was tried too often
   */
  async use(userId: string, code: string): Promise<Channel | null> {
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
      await trx
        .updateTable('users')
        .set(ATTEMPTS_FORGIVEN)
        .where('id', '=', userId)
        .execute();
      return match.channel;
    });
  }
}

/** What is hashed: bound to user and channel, so that no row is of use elsewhere. */
function subject(userId: string, channel: Channel, code: string): string {
  return `sent-code\n${userId}\n${channel}\n${code}`;
}
