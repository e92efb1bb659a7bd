import type { Database, Queries, Unit } from '../store/database.js';
import type { FactorSecrets } from '../store/factor-secrets.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import type { OpenFactor } from './check-factor.js';
import type { CheckedUser } from './check-user.js';
import { FACTOR_COLUMNS, USER_COLUMNS } from './exchange.js';
import { newId } from './new-row.js';

/** Parameters of one statement. */
const PARAMETERS = 500;
const CACHE_KIB = 131_072;
/** 256 MB. */
const CHECKPOINT_PAGES = 64_000;

/** The rows of a batch, sealed: storing them does nothing but use the database. */
export interface SealedBatch {
  users: UserRow[];
  factors: FactorRow[];
}

const nameOf = ({ realm, unique_id }: Pick<UserRow, 'realm' | 'unique_id'>) =>
  `${realm}\n${unique_id}`;

/**
 * Gives this process a larger cache of SQLite, and writes its log back to the file
 * less often: an export has random ids, so each of its rows changes other pages of
 * the indexes.
 */
export async function prepareForMany(database: Database): Promise<void> {
  await database.unit(async (unit) => {
    if (unit.dialect !== 'sqlite') return;
    await unit.run(`pragma cache_size = -${CACHE_KIB}`, []);
    await unit.all(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`, []);
  });
}

/** The users of a batch who exist, by realm and `unique_id`. */
export async function findExisting(
  db: Queries,
  batch: readonly CheckedUser[],
): Promise<(user: UserRow) => UserRow | undefined> {
  const found = new Map<string, UserRow>();
  const inRealm = new Map<string, string[]>();
  for (const { user } of batch) {
    const ids = inRealm.get(user.realm);
    if (ids) ids.push(user.unique_id);
    else inRealm.set(user.realm, [user.unique_id]);
  }
  for (const [realm, ids] of inRealm)
    for (const some of partsOf(ids)) {
      const rows = await db
        .selectFrom('users')
        .selectAll()
        .where('realm', '=', realm)
        .where('unique_id', 'in', some)
        .execute();
      for (const row of rows) found.set(nameOf(row), row);
    }
  return (user) => found.get(nameOf(user));
}

/**
 * Replaces ids that are taken, for example where a user is imported into a second realm
 * of the same database.
 */
export async function renewTakenIds(
  db: Queries,
  batch: readonly CheckedUser[],
): Promise<void> {
  const given = batch.filter(({ hasIds }) => hasIds);
  const factors = given.flatMap(({ factors: own }) => own);
  for (const [table, rows] of [
    ['users', given.map(({ user }) => user)],
    ['factors', factors],
  ] as const) {
    const isTaken = new Set<string>();
    for (const ids of partsOf(rows.map(({ id }) => id))) {
      const taken = await db
        .selectFrom(table)
        .select('id')
        .where('id', 'in', ids)
        .execute();
      for (const { id } of taken) isTaken.add(id);
    }
    for (const row of rows) {
      if (isTaken.has(row.id)) row.id = newId();
      // Also for the rows after it: two rows of a file may have one id.
      isTaken.add(row.id);
    }
  }
}

/** Parts that one statement can have as parameters; the last is filled up, so that there is one statement. */
function* partsOf(values: readonly string[]): Generator<string[], void> {
  for (let at = 0; at < values.length; at += PARAMETERS) {
    const part = values.slice(at, at + PARAMETERS);
    yield [...part, ...Array<string>(PARAMETERS - part.length).fill(part[0]!)];
  }
}

export function seal(
  batch: readonly CheckedUser[],
  secrets: FactorSecrets,
): SealedBatch {
  return {
    users: batch.map(({ user }) => user),
    factors: batch.flatMap(({ user, factors }) =>
      factors.map((factor) => rowOf(factor, user, secrets)),
    ),
  };
}

/** Every field by its name: a spread takes ten times as long. */
function rowOf(
  factor: OpenFactor,
  user: UserRow,
  secrets: FactorSecrets,
): FactorRow {
  return {
    id: factor.id,
    user_id: user.id,
    kind: factor.kind,
    name: factor.name,
    state: factor.state,
    secret:
      typeof factor.secret === 'string'
        ? factor.secret
        : secrets.seal(factor.secret, user, factor),
    algorithm: factor.algorithm,
    digits: factor.digits,
    period: factor.period,
    counter: factor.counter,
    created_at: factor.created_at,
    last_used_at: factor.last_used_at,
    expires_at: factor.expires_at,
  };
}

/** @returns the ids of the users that were stored; the others were created by another process since they were looked for */
export async function insert(
  unit: Unit,
  { users, factors }: SealedBatch,
): Promise<Set<string>> {
  const add = unit.dialect === 'sqlite' ? insertEach : insertAll;
  const ids = await add(
    unit,
    'users',
    USER_COLUMNS,
    users,
    'on conflict (realm, unique_id) do nothing',
  );
  const own = factors.filter(({ user_id }) => ids.has(user_id));
  await add(unit, 'factors', FACTOR_COLUMNS, own);
  return ids;
}

/** SQLite runs in this process, so a prepared statement for each row costs no round trip. */
async function insertEach<Row extends { id: string }>(
  unit: Unit,
  table: string,
  columns: readonly (keyof Row & string)[],
  rows: readonly Row[],
  after = '',
): Promise<Set<string>> {
  const places = columns.map(() => '?').join(', ');
  const sql = `insert into ${table} (${columns.join(', ')}) values (${places}) ${after}`;
  const ids = new Set<string>();
  for (const row of rows)
    if (
      (await unit.run(
        sql,
        columns.map((column) => row[column]),
      )) > 0
    )
      ids.add(row.id);
  return ids;
}

/** PostgreSQL: one statement with one parameter, the rows as JSON. */
async function insertAll<Row extends { id: string }>(
  unit: Unit,
  table: string,
  columns: readonly (keyof Row & string)[],
  rows: readonly Row[],
  after = '',
): Promise<Set<string>> {
  const names = columns.join(', ');
  const sql = `insert into ${table} (${names}) select ${names} from json_populate_recordset(null::${table}, $1::json) ${after} returning id`;
  const stored = await unit.all<{ id: string }>(sql, [JSON.stringify(rows)]);
  return new Set(stored.map(({ id }) => id));
}
