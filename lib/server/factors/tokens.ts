import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import type { AuthMethod } from '../../contract/dto/check-result.dto.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { DATABASE, type Database, type UserRow } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { randomToken, sha256 } from '../store/random.js';

/** Expired rows that one request deletes at most: SQLite blocks all other requests meanwhile. */
const PURGE_ROWS = 100;

/** A token that was redeemed. */
export interface RedeemedToken {
  user: UserRow;
  /** Kind of the code that earned the token; `null` if an earlier version issued it. */
  method: AuthMethod | null;
}

/** Tokens `gat…`: ezGAuth gives one to the browser, and the site exchanges it, once, for the user. */
@Injectable()
export class Tokens {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  /**
   * Makes a token, in one statement that compares the user's epoch.
   *
   * @param epoch the user's epoch when their code was accepted
   * @param method kind of that code
   * @returns `undefined` if the user was deleted or their epoch changed since
   */
  async issue(
    userId: string,
    epoch: string,
    method: AuthMethod,
  ): Promise<string | undefined> {
    const token = `gat${randomToken()}`;
    const now = this.now();
    const expiresAt = now + this.settings.security.tokenTtlSeconds * 1000;
    await this.purge(now);
    const { numAffectedRows } = await sql`
      insert into tokens (hash, user_id, epoch, expires_at, method)
      select ${sha256(token)}, id, epoch, ${expiresAt}, ${method}
      from users where id = ${userId} and epoch = ${epoch}`.execute(this.db);
    return numAffectedRows === 1n ? token : undefined;
  }

  /** Deletes expired tokens of all users: many are never redeemed. */
  private async purge(now: number): Promise<void> {
    await this.db
      .deleteFrom('tokens')
      .where('hash', 'in', (eb) =>
        eb
          .selectFrom('tokens')
          .select('hash')
          .where('expires_at', '<=', now)
          .limit(PURGE_ROWS),
      )
      .execute();
  }

  /**
   * Redeems a token by deleting it.
   *
   * @returns its user and method; `undefined` if the token is unknown, used, expired, of an
   *   earlier epoch, or of another realm
   */
  async redeem(
    realm: string,
    token: string,
  ): Promise<RedeemedToken | undefined> {
    return await this.db.transaction().execute(async (trx) => {
      const redeemed = await trx
        .deleteFrom('tokens')
        .where('hash', '=', sha256(token))
        .where('expires_at', '>', this.now())
        .where((eb) =>
          eb.exists(
            eb
              .selectFrom('users')
              .select('users.id')
              .whereRef('users.id', '=', 'tokens.user_id')
              .whereRef('users.epoch', '=', 'tokens.epoch')
              .where('users.realm', '=', realm),
          ),
        )
        .returning(['user_id', 'method'])
        .executeTakeFirst();
      if (!redeemed) return undefined;
      const user = await trx
        .selectFrom('users')
        .selectAll()
        .where('id', '=', redeemed.user_id)
        .executeTakeFirstOrThrow();
      return { user, method: redeemed.method || null };
    });
  }
}
