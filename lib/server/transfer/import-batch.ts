import { randomUUID } from 'node:crypto';
import type { Queries, Unit } from '../store/database.js';
import type { FactorSecrets } from '../store/factor-secrets.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import type { CheckedUser } from './check-user.js';
import { FACTOR_COLUMNS, USER_COLUMNS } from './exchange.js';

/** The rows of a batch, sealed: storing them does nothing but use the database. */
export interface SealedBatch {
  users: UserRow[];
  factors: FactorRow[];
}

const nameOf = ({ realm, unique_id }: Pick<UserRow, 'realm' | 'unique_id'>) =>
  `${realm}\n${unique_id}`;

/** The users of a batch who exist, by realm and `unique_id`. */
export async function findExisting(
  db: Queries,
  batch: readonly CheckedUser[],
): Promise<(user: UserRow) => UserRow | undefined> {
  const found = new Map<string, UserRow>();
  for (const realm of new Set(batch.map(({ user }) => user.realm))) {
    const ids = batch
      .filter(({ user }) => user.realm === realm)
      .map(({ user }) => user.unique_id);
    const rows = await db
      .selectFrom('users')
      .selectAll()
      .where('realm', '=', realm)
      .where('unique_id', 'in', ids)
      .execute();
    for (const row of rows) found.set(nameOf(row), row);
  }
  return (user) => found.get(nameOf(user));
}

/**
 * Gives a row another id if its own is taken: a user who is imported into a second
 * realm of the same database cannot keep it.
 */
export async function renewTakenIds(
  db: Queries,
  batch: readonly CheckedUser[],
): Promise<void> {
  const factors = batch.flatMap(({ factors: own }) => own);
  for (const [table, rows] of [
    ['users', batch.map(({ user }) => user)],
    ['factors', factors],
  ] as const) {
    const taken = await db
      .selectFrom(table)
      .select('id')
      .where(
        'id',
        'in',
        rows.map(({ id }) => id),
      )
      .execute();
    const isTaken = new Set(taken.map(({ id }) => id));
    for (const row of rows) {
      if (isTaken.has(row.id)) row.id = randomUUID();
      // Also for the rows after it: two rows of a file may have one id.
      isTaken.add(row.id);
    }
  }
}

export function seal(
  batch: readonly CheckedUser[],
  secrets: FactorSecrets,
): SealedBatch {
  return {
    users: batch.map(({ user }) => user),
    factors: batch.flatMap(({ user, factors }) =>
      factors.map((factor) => ({
        ...factor,
        user_id: user.id,
        secret:
          typeof factor.secret === 'string'
            ? factor.secret
            : secrets.seal(factor.secret, user, factor),
      })),
    ),
  };
}

/** @returns the ids of the users that were stored; the others were created by somebody else in the meantime */
export async function insert(
  unit: Unit,
  { users, factors }: SealedBatch,
): Promise<Set<string>> {
  const stored = await unit.all<{ id: string }>(INSERT_USERS[unit.dialect], [
    JSON.stringify(users),
  ]);
  const ids = new Set(stored.map(({ id }) => id));
  const own = factors.filter(({ user_id }) => ids.has(user_id));
  await unit.run(INSERT_FACTORS[unit.dialect], [JSON.stringify(own)]);
  return ids;
}

/** One statement with one parameter for any number of rows, prepared once: the rows as JSON. */
function insertFromJson(
  table: string,
  columns: readonly string[],
  after: string,
): Record<Unit['dialect'], string> {
  const into = `insert into ${table} (${columns.join(', ')})`;
  const fields = columns.map((column) => `value ->> '$.${column}'`);
  return {
    // `where true`: otherwise `on` would belong to a join.
    sqlite: `${into} select ${fields.join(', ')} from json_each(?) where true ${after}`,
    postgres: `${into} select ${columns.join(', ')} from json_populate_recordset(null::${table}, $1::json) ${after}`,
  };
}

const INSERT_USERS = insertFromJson(
  'users',
  USER_COLUMNS,
  'on conflict (realm, unique_id) do nothing returning id',
);

const INSERT_FACTORS = insertFromJson('factors', FACTOR_COLUMNS, '');
