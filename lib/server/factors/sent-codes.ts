import { Inject, Injectable } from '@nestjs/common';
import type { Channel } from '../../contract/channel.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { Unit } from '../store/database.js';
import type { Owner } from '../store/factor-secrets.js';
import { Keyring } from '../store/keyring.js';
import { randomDigits } from '../store/random.js';
import type { SentCodeRow, UserRow } from '../store/schema.js';
import { CODE_DIGITS } from './otp.js';

/** A code to be sent. */
export interface IssuedCode {
  code: string;
  /** What {@link SentCodes.withdraw} needs. */
  hash: string;
  /** The code that this one replaced, if there was one. */
  last: Omit<SentCodeRow, 'user_id' | 'channel'> | undefined;
}

/** Codes sent by e-mail, SMS or voice: one per channel at a time, each accepted once. */
@Injectable()
export class SentCodes {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /**
   * Makes a code, which replaces the channel's last one until {@link withdraw} is
   * called. The user's failures stay.
   *
   * @param counted stored with it: what its message is counted in
   * @param user the row that the destination was read from, in the same unit
   */
  async issue(
    { db }: Unit,
    user: UserRow,
    channel: Channel,
    counted: string | null,
  ): Promise<IssuedCode> {
    const code = randomDigits(CODE_DIGITS);
    const hash = this.keyring.hash(sentCodeSubject(user, channel, code));
    const row = {
      code_hash: hash,
      expires_at: this.now() + this.settings.security.sentCodeTtlSeconds * 1000,
      tries: 0,
      counted,
    };
    const last = await db
      .selectFrom('sent_codes')
      .select(['code_hash', 'expires_at', 'tries', 'counted'])
      .where('user_id', '=', user.id)
      .where('channel', '=', channel)
      .executeTakeFirst();
    await db
      .insertInto('sent_codes')
      .values({ user_id: user.id, channel, ...row })
      .onConflict((conflict) =>
        conflict.columns(['user_id', 'channel']).doUpdateSet(row),
      )
      .execute();
    return { code, hash, last };
  }

  /**
   * Makes the channel's last code valid again: this one was surely not delivered.
   * Does nothing if the code was used, replaced or deleted.
   */
  async withdraw(
    { db }: Unit,
    userId: string,
    channel: Channel,
    { hash, last }: IssuedCode,
  ): Promise<void> {
    // Without a last code: an expired row, which matches nothing.
    const before = last ?? {
      code_hash: '',
      expires_at: 0,
      tries: 0,
      counted: null,
    };
    await db
      .updateTable('sent_codes')
      .set(before)
      .where('user_id', '=', userId)
      .where('channel', '=', channel)
      .where('code_hash', '=', hash)
      .execute();
  }
}

/** The hashed text, bound to user and channel: a row copied to another user matches nothing. */
export function sentCodeSubject(
  { id, realm, unique_id }: Owner & { id: string },
  channel: Channel,
  code: string,
): string {
  return ['sent-code', id, realm, unique_id, channel, code].join('\n');
}
