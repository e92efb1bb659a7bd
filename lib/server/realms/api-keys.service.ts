import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { sql } from 'kysely';
import { STANDALONE } from '../settings/mount-path.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { DATABASE, type Database } from '../store/database.js';
import { Keyring } from '../store/keyring.js';
import { constantTimeEqual, sha256 } from '../store/random.js';
import { apiKeyBinding, apiKeyLookup } from '../store/stored-hashes.js';
import { StoredKeys } from './stored-keys.js';

/** How long a key found in the database is accepted without looking again: one that is revoked works for up to this long. */
export const KEY_CACHE_MS = 5_000;
const CACHED_KEYS = 1_000;
/** How often it is noted that a key is used. */
const NOTE_USE_EVERY_MS = 60_000;

/** Whose an API key is. */
export interface KeyIdentity {
  realm: string;
  /** Names the key, in the audit log for example; reveals nothing of it. */
  id: string;
}

/** API keys, from the options and from the database. */
@Injectable()
export class ApiKeysService implements OnApplicationBootstrap {
  /** By SHA-256 of the key. Only keys that were found: an attacker cannot fill it. */
  private readonly cache = new Map<
    string,
    { identity: KeyIdentity; until: number }
  >();
  private readonly configured: readonly (KeyIdentity & { hash: string })[];
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
    @Inject(STANDALONE) private readonly standalone: boolean,
    private readonly keys: StoredKeys,
  ) {
    this.configured = settings.apiKeys.map(({ realm, key }) => {
      const hash = sha256(key);
      return {
        realm,
        id: idOf(this.keyring.lookups(apiKeyLookup(hash))[0]),
        hash,
      };
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    // The program makes a first key once it listens.
    if (this.standalone || (await this.exists())) return;
    this.logger.warn(
      'There is no API key, so every call is answered with 401: set the option apiKeys to [{ realm, key }], or call createFirst() of ApiKeysService',
    );
  }

  /** Whose a key is; `undefined` if it is unknown. Synchronous for a key that was used in the last seconds. */
  identify(
    key: string,
  ): KeyIdentity | undefined | Promise<KeyIdentity | undefined> {
    const hash = sha256(key);
    // Compares with all of them, so that the time reveals nothing.
    const configured = this.configured.filter((candidate) =>
      constantTimeEqual(candidate.hash, hash),
    )[0];
    if (configured) return configured;
    const cached = this.cache.get(hash);
    if (cached && cached.until > performance.now()) return cached.identity;
    return this.find(hash);
  }

  /** The realms that have a key in the database. */
  async storedRealms(): Promise<string[]> {
    const rows = await this.database.read
      .selectFrom('api_keys')
      .select('realm')
      .distinct()
      .orderBy('realm')
      .execute();
    return rows.map(({ realm }) => realm);
  }

  /** The realms that have a key, in the options or in the database. */
  async realms(): Promise<string[]> {
    const configured = this.configured.map(({ realm }) => realm);
    const all = new Set([...configured, ...(await this.storedRealms())]);
    return [...all].sort();
  }

  /**
   * Makes a key of the realm `default` if there is no key at all.
   *
   * @returns the key, of which only the hash is stored; `undefined` if there is one already
   */
  async createFirst(): Promise<string | undefined> {
    if (this.settings.apiKeys.length > 0) return undefined;
    return await this.database.unit(async (unit) => {
      // Of instances that start at the same time, one makes a key.
      if (unit.dialect === 'postgres')
        await sql`lock table api_keys in share row exclusive mode`.execute(
          unit.db,
        );
      const existing = await unit.db
        .selectFrom('api_keys')
        .select('hash')
        .limit(1)
        .executeTakeFirst();
      if (existing) return undefined;
      return (await this.keys.create(unit, 'default', null)).key;
    });
  }

  private async find(hash: string): Promise<KeyIdentity | undefined> {
    // By a keyed hash: the time of the index search reveals nothing about the key.
    const stored = await this.database.read
      .selectFrom('api_keys')
      .selectAll()
      .where('hash', 'in', this.keyring.lookups(apiKeyLookup(hash)))
      .executeTakeFirst();
    const now = this.now();
    const isKey =
      stored &&
      (stored.expires_at ?? Infinity) > now &&
      this.keyring.matches(stored.binding, apiKeyBinding(hash, stored.realm));
    this.cache.delete(hash);
    if (!isKey) return undefined;
    const [oldest] = this.cache.keys();
    if (this.cache.size >= CACHED_KEYS) this.cache.delete(oldest!);
    const identity = { realm: stored.realm, id: stored.id };
    const until = performance.now() + KEY_CACHE_MS;
    this.cache.set(hash, { identity, until });
    if ((stored.last_used_at ?? 0) <= now - NOTE_USE_EVERY_MS)
      this.noteUse(stored.hash, now);
    return identity;
  }

  /** After the answer, and not in its unit of work. */
  private noteUse(hash: string, now: number): void {
    this.database
      .unit(({ db }) =>
        db
          .updateTable('api_keys')
          .set({ last_used_at: now })
          .where('hash', '=', hash)
          .execute(),
      )
      // The next look notes it.
      .catch(() => undefined);
  }

  /** Whether there is a key, in the options or in the database. */
  private async exists(): Promise<boolean> {
    if (this.settings.apiKeys.length > 0) return true;
    const stored = await this.database.read
      .selectFrom('api_keys')
      .select('hash')
      .limit(1)
      .executeTakeFirst();
    return stored !== undefined;
  }
}

/** The beginning of a keyed hash. */
const idOf = (hash: string) => hash.slice(0, 8);
