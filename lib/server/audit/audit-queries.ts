import type { Unit } from '../store/database.js';
import type { AuditRow } from '../store/schema.js';

/** The end of a realm's chain. */
export interface Head {
  number: number;
  hash: string;
}

const COLUMNS =
  'realm, number, at, actor, source, request_id, action, user_id, details, hash';

const HEAD = 'select number, hash from audit_heads where realm = ';

const SQLITE = {
  head: `${HEAD}?`,
  insert: `insert into audit (${COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  move: `insert into audit_heads (realm, number, hash) values (?, ?, ?)
    on conflict (realm) do update set number = excluded.number, hash = excluded.hash`,
};

const POSTGRES = {
  head: `${HEAD}$1 for update`,
  begin: `insert into audit_heads (realm, number, hash) values ($1, 0, '')
    on conflict (realm) do nothing`,
  insert: `insert into audit (${COLUMNS})
    select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
      $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])`,
  move: 'update audit_heads set number = $2::bigint, hash = $3 where realm = $1',
};

/** Locks the end of a realm's chain until the unit of work ends. */
export async function lockHead(unit: Unit, realm: string): Promise<Head> {
  const first: Head = { number: 0, hash: '' };
  if (unit.dialect === 'sqlite')
    return (await unit.all<Head>(SQLITE.head, [realm]))[0] ?? first;
  const [head] = await unit.all<Head>(POSTGRES.head, [realm]);
  if (head) return head;
  // The first event of a realm; another unit may begin the chain at the same time.
  await unit.run(POSTGRES.begin, [realm]);
  return (await unit.all<Head>(POSTGRES.head, [realm]))[0]!;
}

/** Appends rows of one realm, whose chain is locked. */
export async function append(
  unit: Unit,
  rows: readonly AuditRow[],
): Promise<void> {
  const { realm, number, hash } = rows.at(-1)!;
  if (unit.dialect === 'sqlite') {
    for (const row of rows) await unit.run(SQLITE.insert, valuesOf(row));
    await unit.run(SQLITE.move, [realm, number, hash]);
    return;
  }
  const values = rows.map(valuesOf);
  await unit.run(
    POSTGRES.insert,
    values[0]!.map((_, column) => values.map((row) => row[column])),
  );
  await unit.run(POSTGRES.move, [realm, number, hash]);
}

/** In the order of {@link COLUMNS}. */
const valuesOf = (row: AuditRow): unknown[] => [
  row.realm,
  row.number,
  row.at,
  row.actor,
  row.source,
  row.request_id,
  row.action,
  row.user_id,
  row.details,
  row.hash,
];
