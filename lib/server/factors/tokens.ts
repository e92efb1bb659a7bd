import { Inject, Injectable } from '@nestjs/common';
import type { AuthMethod } from '../../contract/dto/check-result.dto.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { Unit } from '../store/database.js';
import { Keyring } from '../store/keyring.js';
import { randomToken, sha256 } from '../store/random.js';
import type { UserRow } from '../store/schema.js';
import {
  tokenBinding,
  tokenHashes,
  tokenLookup,
} from '../store/stored-hashes.js';
import type { AcceptedCode } from './check.js';

/** Expired rows that one request deletes at most: SQLite blocks all other requests meanwhile. */
const PURGE_ROWS = 100;

/** What a token stood for. */
export interface RedeemedToken {
  user: UserRow;
  /** Kind of code that earned the token; `null` for a token from before 0.2.0. */
  method: AuthMethod | null;
}

/** Tokens `gat…`: ezGAuth gives one to the browser, and the site exchanges it, once, for the user. */
@Injectable()
export class Tokens {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /**
   * Makes a token for a code that was just accepted.
   *
   * @returns `undefined` if the user was deleted or their epoch changed since
   */
  async issue(
    { db }: Unit,
    { id, realm, unique_id }: Pick<UserRow, 'id' | 'realm' | 'unique_id'>,
    { epoch, method }: AcceptedCode,
  ): Promise<string | undefined> {
    const now = this.now();
    // Expired tokens of all users: many are never redeemed.
    await db
      .deleteFrom('tokens')
      .where('hash', 'in', (eb) =>
        eb
          .selectFrom('tokens')
          .select('hash')
          .where('expires_at', '<=', now)
          .limit(PURGE_ROWS),
      )
      .execute();
    const user = await db
      .selectFrom('users')
      .select('id')
      .where('id', '=', id)
      .where('realm', '=', realm)
      .where('unique_id', '=', unique_id)
      .where('epoch', '=', epoch)
      .executeTakeFirst();
    if (!user) return undefined;
    const token = `gat${randomToken()}`;
    await db
      .insertInto('tokens')
      .values({
        ...tokenHashes(this.keyring, sha256(token), {
          realm,
          unique_id,
          epoch,
          method,
        }),
        user_id: id,
        epoch,
        method,
        expires_at: now + this.settings.security.tokenTtlSeconds * 1000,
      })
      .execute();
    return token;
  }

  /**
   * Redeems a token by deleting it.
   *
   * @returns its user and method; `undefined` if the token is unknown, used, expired, of an
   *   earlier epoch, or of another realm
   */
  async redeem(
    { db }: Unit,
    realm: string,
    token: string,
  ): Promise<RedeemedToken | undefined> {
    const hash = sha256(token);
    const found = await db
      .selectFrom('tokens')
      .innerJoin('users', 'users.id', 'tokens.user_id')
      .select(['tokens.hash', 'binding', 'method', 'users.id', 'unique_id'])
      .select('tokens.epoch')
      .where('hash', 'in', this.keyring.lookups(tokenLookup(hash)))
      .where('expires_at', '>', this.now())
      .where('users.realm', '=', realm)
      .whereRef('users.epoch', '=', 'tokens.epoch')
      .executeTakeFirst();
    if (!found) return undefined;
    const owner = { ...found, realm };
    if (!this.keyring.matches(found.binding, tokenBinding(hash, owner)))
      return undefined;
    const { numDeletedRows } = await db
      .deleteFrom('tokens')
      .where('hash', '=', found.hash)
      .executeTakeFirst();
    if (numDeletedRows !== 1n) return undefined;
    const user = await db
      .selectFrom('users')
      .selectAll()
      .where('id', '=', found.id)
      .executeTakeFirstOrThrow();
    return { user, method: found.method || null };
  }
}
