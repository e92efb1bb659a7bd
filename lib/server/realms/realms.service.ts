import { Inject, Injectable } from '@nestjs/common';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { StartError } from '../settings/start-error.js';
import {
  DATABASE,
  type Database,
  type Queries,
  type Unit,
} from '../store/database.js';
import type { RealmRow } from '../store/schema.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { KEY_CACHE_MS } from './api-keys.service.js';
import {
  checkRealmChanges,
  type RealmChanges,
  type RealmSettings,
} from './realm-settings.js';

/** How long settings are used without looking again: a change takes effect on every instance within this time. */
const CACHE_MS = 5_000;
const CACHED_REALMS = 1_000;
/** How long a request may take that has begun. */
const REQUEST_MS = 1_000;
/** Users that are deleted in one unit of work. */
const USERS_AT_ONCE = 500;

/** A realm, as commands show it. */
export interface Realm {
  name: string;
  createdAt: number;
  /** What it sets for itself. */
  settings: RealmChanges;
}

/** The realms, and what applies to them. */
@Injectable()
export class RealmsService {
  private readonly cache = new Map<
    string,
    { settings: RealmSettings; until: number }
  >();

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  /** What applies to a realm. Synchronous if it was read in the last seconds. */
  settingsOf(realm: string): RealmSettings | Promise<RealmSettings> {
    const cached = this.cache.get(realm);
    return cached && cached.until > performance.now()
      ? cached.settings
      : this.read(realm);
  }

  /** All that have a row, by name. */
  async list(): Promise<Realm[]> {
    const rows = await this.database.read
      .selectFrom('realms')
      .selectAll()
      .orderBy('name')
      .execute();
    return rows.map(toRealm);
  }

  /** `undefined` if it has no row. */
  async find(name: string, db: Queries = this.database.read) {
    const row = await db
      .selectFrom('realms')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst();
    return row && toRealm(row);
  }

  /** Whether a realm has a row, an API key or a user. */
  async exists(name: string): Promise<boolean> {
    if (await this.find(name)) return true;
    if (this.settings.apiKeys.some(({ realm }) => realm === name)) return true;
    const { read } = this.database;
    for (const table of ['api_keys', 'users'] as const) {
      const row = await read
        .selectFrom(table)
        .select('realm')
        .where('realm', '=', name)
        .limit(1)
        .executeTakeFirst();
      if (row) return true;
    }
    return false;
  }

  /** Creates a realm, unless there is one of this name. @returns whether it was created */
  async create({ db }: Unit, name: string): Promise<boolean> {
    checkName(name);
    const created = await db
      .insertInto('realms')
      .values({ name, settings: '{}', created_at: this.now() })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .executeTakeFirst();
    return created !== undefined;
  }

  /**
   * Changes what a realm sets for itself, and creates the realm if there is none.
   *
   * @throws StartError that names the first wrong setting
   */
  async set(unit: Unit, name: string, changes: object): Promise<Realm> {
    const checked = checkRealmChanges(changes);
    await this.create(unit, name);
    const { settings } = (await this.find(name, unit.db))!;
    const merged = Object.fromEntries(
      Object.entries({ ...settings, ...checked }).filter(
        ([, value]) => value !== null,
      ),
    );
    const row = await unit.db
      .updateTable('realms')
      .set({ settings: JSON.stringify(merged) })
      .where('name', '=', name)
      .returningAll()
      .executeTakeFirstOrThrow();
    return toRealm(row);
  }

  /**
   * Deletes a realm with its users and keys, in steps; a call that is interrupted can be repeated.
   *
   * @param onProgress called with the number of users deleted so far
   * @param first called in the unit of work that begins it
   * @param wait resolves after so many milliseconds
   */
  async delete(
    name: string,
    onProgress: (deleted: number) => void,
    first: (unit: Unit) => Promise<void>,
    wait = (ms: number) => new Promise<void>((end) => setTimeout(end, ms)),
  ): Promise<void> {
    // The keys first, so that no users are added: instances accept a key for some seconds more.
    const { numDeletedRows } = await this.database.unit(async (unit) => {
      const keys = await unit.db
        .deleteFrom('api_keys')
        .where('realm', '=', name)
        .executeTakeFirst();
      await first(unit);
      return keys;
    });
    if (numDeletedRows > 0n) await wait(KEY_CACHE_MS + REQUEST_MS);
    for (let total = 0; ;) {
      const deleted = await this.database.unit(({ db }) =>
        deleteSome(db, name),
      );
      if (deleted === 0) break;
      onProgress((total += deleted));
    }
    await this.database.unit(({ db }) =>
      db.deleteFrom('realms').where('name', '=', name).execute(),
    );
  }

  private async read(realm: string): Promise<RealmSettings> {
    const own = (await this.find(realm))?.settings ?? {};
    const { issuer, returnUrls, frameAncestors, smsCountries } = this.settings;
    const settings: RealmSettings = {
      issuer: own.issuer ?? issuer,
      returnUrl: own.returnUrl ?? returnUrls.get(realm),
      frameAncestors: own.frameAncestors ?? frameAncestors,
      countries: own.countries ?? smsCountries,
      texts: own.texts ?? {},
    };
    const [oldest] = this.cache.keys();
    if (this.cache.size >= CACHED_REALMS) this.cache.delete(oldest!);
    const until = performance.now() + CACHE_MS;
    this.cache.set(realm, { settings, until });
    return settings;
  }
}

/** @throws StartError */
export function checkName(name: string): void {
  if (!/^[\w.-]{1,64}$/.test(name))
    throw new StartError(
      'The name of a realm must be 1 to 64 letters, digits, "_", "." or "-"',
    );
}

const toRealm = ({ name, settings, created_at }: RealmRow): Realm => ({
  name,
  createdAt: created_at,
  settings: JSON.parse(settings) as RealmChanges,
});

async function deleteSome(db: Queries, realm: string): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('users')
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('users')
        .select('id')
        .where('realm', '=', realm)
        .limit(USERS_AT_ONCE),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}
