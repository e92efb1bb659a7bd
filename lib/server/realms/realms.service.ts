import { Inject, Injectable } from '@nestjs/common';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { shown } from '../settings/option-type.js';
import { REALM, REALM_IS } from '../settings/realm-key.js';
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
const REQUEST_MS = 5_000;
/** Users that are deleted in one unit of work. */
const USERS_AT_ONCE = 500;

/** A realm, as commands show it. */
export interface Realm {
  name: string;
  /** `null` if it has no row: it exists by its keys or users. */
  createdAt: number | null;
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

  /** All that have a row, an API key or a user, by name. */
  async list(): Promise<Realm[]> {
    const { rows, names } = await this.database.snapshot(async (db) => {
      const realms = await db.selectFrom('realms').selectAll().execute();
      const others = await db
        .selectFrom('api_keys')
        .select('realm')
        .union(db.selectFrom('users').select('realm'))
        .execute();
      return { rows: realms, names: others.map(({ realm }) => realm) };
    }, 'commands');
    const all = new Map(
      [...names, ...this.settings.apiKeys.map(({ realm }) => realm)].map(
        (name) => [name, withoutRow(name)],
      ),
    );
    for (const row of rows) all.set(row.name, toRealm(row));
    return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** `undefined` if it has no row, no API key and no user. */
  async find(name: string): Promise<Realm | undefined> {
    const { read } = this.database;
    const row = await rowOf(read, name);
    if (row) return toRealm(row);
    const isThere =
      (await this.hasKey(name)) || (await hasRow(read, 'users', name));
    return isThere ? withoutRow(name) : undefined;
  }

  /** @throws StartError if it has no row, no API key and no user */
  async get(name: string): Promise<Realm> {
    const realm = await this.find(name);
    if (!realm) throw new StartError(`There is no realm ${shown(name)}`);
    return realm;
  }

  /** Whether an API key of the realm is in the options or in the database. */
  async hasKey(name: string): Promise<boolean> {
    return (
      this.settings.apiKeys.some(({ realm }) => realm === name) ||
      (await hasRow(this.database.read, 'api_keys', name))
    );
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
    const { settings } = toRealm((await rowOf(unit.db, name))!);
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
   * @returns how many users and keys that were
   */
  async delete(
    name: string,
    onProgress: (deleted: number) => void,
    first: (unit: Unit) => Promise<void>,
    wait = (ms: number) => new Promise<void>((end) => setTimeout(end, ms)),
  ): Promise<{ users: number; keys: number }> {
    // The keys first, so that no users are added: instances accept a key for some seconds more.
    const { numDeletedRows } = await this.database.unit(async (unit) => {
      const keys = await unit.db
        .deleteFrom('api_keys')
        .where('realm', '=', name)
        .executeTakeFirst();
      await first(unit);
      return keys;
    });
    await wait(KEY_CACHE_MS + REQUEST_MS);
    let users = 0;
    for (;;) {
      const deleted = await this.database.unit(({ db }) =>
        deleteSome(db, name),
      );
      if (deleted === 0) break;
      onProgress((users += deleted));
    }
    await this.database.unit(async ({ db }) => {
      await db
        .deleteFrom('data_keys')
        .where('purpose', '=', 'recovery')
        .where('realm', '=', name)
        .execute();
      await db.deleteFrom('realms').where('name', '=', name).execute();
    });
    return { users, keys: Number(numDeletedRows) };
  }

  private async read(realm: string): Promise<RealmSettings> {
    const row = await rowOf(this.database.read, realm);
    const own = row ? toRealm(row).settings : {};
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
  if (!REALM.test(name))
    throw new StartError(`The name of a realm must be ${REALM_IS}`);
}

const rowOf = (db: Queries, name: string): Promise<RealmRow | undefined> =>
  db
    .selectFrom('realms')
    .selectAll()
    .where('name', '=', name)
    .executeTakeFirst();

async function hasRow(
  db: Queries,
  table: 'api_keys' | 'users',
  realm: string,
): Promise<boolean> {
  const row = await db
    .selectFrom(table)
    .select('realm')
    .where('realm', '=', realm)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

const withoutRow = (name: string): Realm => ({
  name,
  createdAt: null,
  settings: {},
});

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
