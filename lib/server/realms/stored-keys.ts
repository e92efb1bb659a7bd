import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import type { Queries, Unit } from '../store/database.js';
import { Keyring } from '../store/keyring.js';
import { randomToken, sha256 } from '../store/random.js';
import type { ApiKeyRow } from '../store/schema.js';
import { apiKeyHashes } from '../store/stored-hashes.js';

/** Length of an id: base32 characters. */
const ID_LENGTH = 8;

/** An API key in the database, without what it is. */
export type StoredKey = Pick<
  ApiKeyRow,
  'id' | 'realm' | 'name' | 'created_at' | 'last_used_at' | 'expires_at'
>;

/** A key that was just made. Only its hashes are stored: it cannot be shown again. */
export interface NewKey {
  id: string;
  key: string;
}

/** The API keys in the database. */
@Injectable()
export class StoredKeys {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    private readonly keyring: Keyring,
  ) {}

  async create(
    { db }: Unit,
    realm: string,
    name: string | null,
  ): Promise<NewKey> {
    const key = randomToken();
    const id = randomToken().slice(0, ID_LENGTH).toLowerCase();
    await db
      .insertInto('api_keys')
      .values({
        ...apiKeyHashes(this.keyring, sha256(key), realm),
        id,
        realm,
        name,
        created_at: this.now(),
        last_used_at: null,
        expires_at: null,
      })
      .execute();
    return { id, key };
  }

  /** The oldest first; of all realms if none is given. */
  list(db: Queries, realm?: string): Promise<StoredKey[]> {
    return db
      .selectFrom('api_keys')
      .select(['id', 'realm', 'name', 'created_at', 'last_used_at'])
      .select('expires_at')
      .$if(realm !== undefined, (query) => query.where('realm', '=', realm!))
      .orderBy('realm')
      .orderBy('created_at')
      .orderBy('id')
      .execute();
  }

  /**
   * Makes a key in the place of another, which works on for a while.
   *
   * @returns `undefined` if the realm has no such key
   */
  async rotate(
    unit: Unit,
    realm: string,
    id: string,
    graceMs: number,
  ): Promise<NewKey | undefined> {
    const old = (await this.list(unit.db, realm)).find((one) => one.id === id);
    if (!old) return undefined;
    const until = this.now() + graceMs;
    await unit.db
      .updateTable('api_keys')
      // Rotating twice does not lengthen its life.
      .set({ expires_at: Math.min(until, old.expires_at ?? Infinity) })
      .where('realm', '=', realm)
      .where('id', '=', id)
      .execute();
    return await this.create(unit, realm, old.name);
  }

  /** Ends a key; instances that used it accept it for up to 5 s more. @returns whether the realm had it */
  async revoke({ db }: Unit, realm: string, id: string): Promise<boolean> {
    const { numDeletedRows } = await db
      .deleteFrom('api_keys')
      .where('realm', '=', realm)
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows === 1n;
  }
}
