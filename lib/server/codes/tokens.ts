import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock.js';
import { DATABASE, type Database, type UserRow } from '../database/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings.js';
import { randomToken, sha256 } from './random.js';

/** Tokens `gat…` that ezGAuth hands to a browser and a site trades, once, for the user. */
@Injectable()
export class Tokens {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  async issue(userId: string): Promise<string> {
    const token = `gat${randomToken()}`;
    const now = this.now();
    await this.db
      .deleteFrom('tokens')
      .where('user_id', '=', userId)
      .where('expires_at', '<=', now)
      .execute();
    await this.db
      .insertInto('tokens')
      .values({
        hash: sha256(token),
        user_id: userId,
        expires_at: now + this.settings.security.tokenTtlSeconds * 1000,
      })
      .execute();
    return token;
  }

  /**
   * Uses a token up: the delete that removes it is the one that redeems it.
   *
   * @returns its user; `undefined` where it is unknown, used, expired, or another realm's
   */
  async redeem(realm: string, token: string): Promise<UserRow | undefined> {
    return await this.db.transaction().execute(async (trx) => {
      const redeemed = await trx
        .deleteFrom('tokens')
        .where('hash', '=', sha256(token))
        .where('expires_at', '>', this.now())
        .where('user_id', 'in', (eb) =>
          eb.selectFrom('users').select('id').where('realm', '=', realm),
        )
        .returning('user_id')
        .executeTakeFirst();
      return (
        redeemed &&
        (await trx
          .selectFrom('users')
          .selectAll()
          .where('id', '=', redeemed.user_id)
          .executeTakeFirst())
      );
    });
  }
}
