import type { Queries } from '../store/database.js';
import type { FactorSecrets } from '../store/factor-secrets.js';
import type { Keyring } from '../store/keyring.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import {
  EXPORT_FORMAT,
  EXPORT_VERSION,
  type ExportEnd,
  type ExportHeader,
  type ExportRealm,
  FACTOR_COLUMNS,
  type RecoveryKey,
  USER_COLUMNS,
} from './exchange.js';
import { lineOf } from './export-line.js';

const USERS_AT_ONCE = 500;

export interface ExportReport {
  users: number;
  /** authenticator apps, also those that were never used */
  apps: number;
  recoveryCodes: number;
}

/**
 * The lines of an export: users of a realm, or of all, in the order of realm and
 * `unique_id`. The same users give the same lines. Sent codes, tokens, kept answers
 * and limits of sends are left out: they end within a day.
 *
 * @param db a snapshot
 * @param report counts while the lines are read
 */
export async function* exportLines(
  db: Queries,
  realm: string | undefined,
  { keyring, secrets }: { keyring: Keyring; secrets: FactorSecrets },
  report: ExportReport,
): AsyncGenerator<string, void> {
  const realms = realm === undefined ? await realmsOf(db) : [realm];
  const header: ExportHeader = {
    format: EXPORT_FORMAT,
    version: EXPORT_VERSION,
    recovery_keys: await recoveryKeysOf(db, realms, keyring),
  };
  yield `${JSON.stringify(header)}\n`;
  for (const one of await settingsOf(db, realms))
    yield `${JSON.stringify(one)}\n`;
  for (const one of realms)
    for await (const users of pagesOf(db, one)) {
      const factors = await factorsOf(db, users);
      report.users += users.length;
      let lines = '';
      for (const user of users) {
        const own = factors.get(user.id) ?? [];
        for (const { kind } of own) {
          if (kind === 'recovery') report.recoveryCodes += 1;
          if (kind === 'totp') report.apps += 1;
        }
        lines += `${JSON.stringify(lineOf(user, own, secrets))}\n`;
      }
      yield lines;
    }
  const end: ExportEnd = { users: report.users };
  yield `${JSON.stringify(end)}\n`;
}

/** The keys that hashed a recovery code of these realms, in the order of their ids. */
async function recoveryKeysOf(
  db: Queries,
  realms: readonly string[],
  keyring: Keyring,
): Promise<RecoveryKey[]> {
  const needed = new Map<string, RecoveryKey>();
  for (const realm of realms)
    for (const { id, key } of keyring.recoveryKeys(realm)) {
      const code = await db
        .selectFrom('factors')
        .innerJoin('users', 'users.id', 'factors.user_id')
        .select('factors.id')
        .where('realm', '=', realm)
        .where('kind', '=', 'recovery')
        .where('secret', 'like', `${id}.%`)
        .limit(1)
        .executeTakeFirst();
      if (code) needed.set(id, { id, key: key.toString('base64') });
    }
  return [...needed.values()].sort((one, other) => compare(one.id, other.id));
}

/** Realms with users or settings, in the order of their bytes, whatever the database sorts by. */
export async function realmsOf(db: Queries): Promise<string[]> {
  const ofUsers = await db
    .selectFrom('users')
    .select('realm')
    .distinct()
    .execute();
  const rows = await db.selectFrom('realms').select('name').execute();
  const names = [
    ...ofUsers.map(({ realm }) => realm),
    ...rows.map(({ name }) => name),
  ];
  return [...new Set(names)].sort();
}

async function settingsOf(
  db: Queries,
  realms: readonly string[],
): Promise<ExportRealm[]> {
  const rows = await db
    .selectFrom('realms')
    .select(['name', 'settings'])
    .execute();
  return rows
    .filter(({ name }) => realms.includes(name))
    .sort((one, other) => compare(one.name, other.name))
    .map(({ name, settings }) => ({
      realm: name,
      realm_settings: JSON.parse(settings) as unknown,
    }));
}

async function* pagesOf(
  db: Queries,
  realm: string,
): AsyncGenerator<UserRow[], void> {
  let after: string | undefined;
  for (;;) {
    const users = await db
      .selectFrom('users')
      .select(USER_COLUMNS)
      .where('realm', '=', realm)
      .$if(after !== undefined, (query) =>
        query.where('unique_id', '>', after!),
      )
      .orderBy('unique_id')
      .limit(USERS_AT_ONCE)
      .execute();
    if (users.length > 0) yield users;
    if (users.length < USERS_AT_ONCE) return;
    after = users.at(-1)!.unique_id;
  }
}

async function factorsOf(
  db: Queries,
  users: readonly UserRow[],
): Promise<Map<string, FactorRow[]>> {
  const ids = users.map(({ id }) => id);
  const factors = await db
    .selectFrom('factors')
    .select(FACTOR_COLUMNS)
    .where('user_id', 'in', ids)
    .execute();
  const ofUser = new Map<string, FactorRow[]>();
  for (const factor of factors) {
    const own = ofUser.get(factor.user_id);
    if (own) own.push(factor);
    else ofUser.set(factor.user_id, [factor]);
  }
  for (const own of ofUser.values()) own.sort(byAge);
  return ofUser;
}

/** As `FactorsService` lists them. */
function byAge(one: FactorRow, other: FactorRow): number {
  return (
    one.created_at - other.created_at ||
    compare(other.kind, one.kind) ||
    compare(one.id, other.id)
  );
}

const compare = (one: string, other: string) =>
  one < other ? -1 : Number(one > other);
