import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type Queries } from '../store/database.js';
import { Keyring } from '../store/keyring.js';
import type { AuditRow } from '../store/schema.js';
import { AuditLog, chained, nameSubject } from './audit-log.js';
import type { Origin } from './audit-event.js';
import type { Head } from './audit-queries.js';

const ROWS_AT_ONCE = 500;
/** How often a chain is verified again that was pruned meanwhile. */
const MAX_TRIES = 100;
/** Rows that are deleted in one unit of work: others wait for it. */
const PRUNED_AT_ONCE = 5_000;

/** What a verification found. */
export interface Verified {
  realm: string;
  /** Number of the first row that is there, and of the last one. */
  first: number;
  last: number;
  /** Hash of the last row. */
  hash: string;
  /** What is wrong with the chain, and where; `undefined` if nothing is. */
  problem: string | undefined;
}

/** Which rows to read. Times are milliseconds since 1970. */
export interface AuditQuery {
  since?: number | undefined;
  /** exclusive */
  until?: number | undefined;
  /** `unique_id` of a user, who may have been deleted. */
  uniqueId?: string | undefined;
}

/** Reads and checks what {@link AuditLog} wrote. Memory does not grow with the number of rows. */
@Injectable()
export class AuditTrail {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly keyring: Keyring,
    private readonly log: AuditLog,
  ) {}

  /** The realms that have a chain. */
  async realms(): Promise<string[]> {
    const heads = await this.read((db) =>
      db
        .selectFrom('audit_heads')
        .select('realm')
        .union(db.selectFrom('audit').select('realm'))
        .orderBy('realm')
        .execute(),
    );
    return heads.map(({ realm }) => realm);
  }

  /**
   * Checks every row of a realm: none was altered, removed, added or moved.
   *
   * @param expected rows that were there before: show whether the end was cut off
   */
  async verify(
    realm: string,
    expected: readonly Head[] = [],
    onProgress?: (number: number, last: number) => void,
  ): Promise<Verified> {
    for (let tries = 1; ; tries++) {
      const first = await this.firstOf(realm);
      const found = await this.verifyOnce(realm, expected, onProgress);
      if (found.problem === undefined || tries === MAX_TRIES) return found;
      // Rows that were pruned meanwhile are missing, and nothing is wrong.
      if ((await this.firstOf(realm)) === first) return found;
    }
  }

  private async verifyOnce(
    realm: string,
    expected: readonly Head[],
    onProgress?: (number: number, last: number) => void,
  ): Promise<Verified> {
    // First the end: rows that are appended meanwhile are not looked for.
    const head = (await this.headOf(realm)) ?? { number: 0, hash: '' };
    const state = { first: 0, last: 0, hash: '' };
    const result = (problem?: string): Verified => ({
      realm,
      ...state,
      problem,
    });
    for await (const row of this.rows(realm, head.number)) {
      if (state.first === 0) {
        state.first = row.number;
        state.last = row.number - 1;
        if (row.number > 1) {
          const pruned = await this.pruned(realm, row.number, head.number);
          if (pruned?.number !== row.number - 1)
            return result(`the rows before ${row.number} are missing`);
          state.hash = pruned.hash;
        }
      }
      onProgress?.(row.number, head.number);
      const { hash, ...rest } = row;
      if (row.number !== state.last + 1)
        return result(`row ${state.last + 1} is missing`);
      if (!this.keyring.matches(hash, chained(state.hash, rest)))
        return result(`row ${row.number} was altered, or is not in its place`);
      if (
        expected.some((one) => one.number === row.number && one.hash !== hash)
      )
        return result(`row ${row.number} has another hash than expected`);
      state.last = row.number;
      state.hash = hash;
    }
    if (state.last !== head.number || state.hash !== head.hash)
      return result(`the rows after ${state.last} are missing`);
    if (await this.hasRowsOutside(realm))
      return result('there are rows that are not in the chain');
    const missing = expected.find(({ number }) => number > state.last);
    return result(
      missing && `row ${missing.number}, which is expected, is missing`,
    );
  }

  /** The rows of a realm, the oldest first. */
  async *export(realm: string, query: AuditQuery): AsyncGenerator<AuditRow> {
    const names =
      query.uniqueId === undefined
        ? []
        : this.keyring.lookups(nameSubject(realm, query.uniqueId));
    const ids = new Set<string>();
    const head = await this.headOf(realm);
    for await (const row of this.rows(realm, head?.number ?? 0)) {
      if (names.some((name) => row.details?.includes(name)))
        ids.add(row.user_id!);
      const isMeant =
        row.at >= (query.since ?? -Infinity) &&
        row.at < (query.until ?? Infinity) &&
        (names.length === 0 || ids.has(row.user_id ?? ''));
      if (isMeant) yield row;
    }
  }

  /**
   * Deletes the rows of a realm from before a time, and says so in the chain. It does so
   * in steps: after each of them, the chain can be verified.
   *
   * @param onProgress called after each step with the rows that were deleted so far
   * @returns how many
   */
  async prune(
    realm: string,
    before: number,
    origin: Origin,
    onProgress?: (deleted: number) => void,
  ): Promise<number> {
    // Not the rows that say it.
    const end = (await this.headOf(realm))?.number ?? 0;
    for (let deleted = 0; ;) {
      const more = await this.pruneSome(realm, before, end, origin);
      if (more === 0) return deleted;
      deleted += more;
      onProgress?.(deleted);
    }
  }

  private async pruneSome(
    realm: string,
    before: number,
    end: number,
    origin: Origin,
  ): Promise<number> {
    return await this.database.unit(async (unit) => {
      const oldest = await unit.db
        .selectFrom('audit')
        .select(['number', 'hash', 'at'])
        .where('realm', '=', realm)
        .where('number', '<=', end)
        .orderBy('number')
        .limit(PRUNED_AT_ONCE)
        .execute();
      // Not all clocks of instances agree: between them there may be newer ones.
      const last = oldest.findLast(({ at }) => at < before);
      if (!last) return 0;
      const { numDeletedRows } = await unit.db
        .deleteFrom('audit')
        .where('realm', '=', realm)
        .where('number', '<=', last.number)
        .executeTakeFirst();
      // By another prune, meanwhile.
      if (numDeletedRows === 0n) return 0;
      const details = { number: last.number, hash: last.hash };
      await this.log.append(unit, [
        { realm, origin, action: 'audit.prune', details },
      ]);
      return Number(numDeletedRows);
    });
  }

  private async firstOf(realm: string): Promise<number | undefined> {
    const row = await this.read((db) =>
      db
        .selectFrom('audit')
        .select('number')
        .where('realm', '=', realm)
        .orderBy('number')
        .limit(1)
        .executeTakeFirst(),
    );
    return row?.number;
  }

  private headOf(realm: string): Promise<Head | undefined> {
    return this.read((db) =>
      db
        .selectFrom('audit_heads')
        .select(['number', 'hash'])
        .where('realm', '=', realm)
        .executeTakeFirst(),
    );
  }

  /** The last row that was pruned, as a row of the chain says. */
  private async pruned(
    realm: string,
    first: number,
    last: number,
  ): Promise<Head | undefined> {
    const row = await this.read((db) =>
      db
        .selectFrom('audit')
        .select('details')
        .where('realm', '=', realm)
        .where('action', '=', 'audit.prune')
        .where('number', '>=', first)
        .where('number', '<=', last)
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst(),
    );
    try {
      return row?.details ? (JSON.parse(row.details) as Head) : undefined;
    } catch {
      // Altered by hand.
      return undefined;
    }
  }

  private hasRowsOutside(realm: string): Promise<boolean> {
    return this.read(async (db) => {
      const head = await db
        .selectFrom('audit_heads')
        .select('number')
        .where('realm', '=', realm)
        .executeTakeFirst();
      const row = await db
        .selectFrom('audit')
        .select('number')
        .where('realm', '=', realm)
        .where((eb) =>
          eb.or([eb('number', '<', 1), eb('number', '>', head?.number ?? 0)]),
        )
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    });
  }

  private async *rows(realm: string, last: number): AsyncGenerator<AuditRow> {
    for (let after = 0; ;) {
      const rows = await this.read((db) => page(db, realm, after, last));
      yield* rows;
      if (rows.length < ROWS_AT_ONCE) return;
      after = rows.at(-1)!.number;
    }
  }

  /** A table that was never pruned may have billions of rows. */
  private read<Result>(
    work: (db: Queries) => Promise<Result>,
  ): Promise<Result> {
    return this.database.snapshot(work, 'commands');
  }
}

function page(
  db: Queries,
  realm: string,
  after: number,
  last: number,
): Promise<AuditRow[]> {
  return db
    .selectFrom('audit')
    .selectAll()
    .where('realm', '=', realm)
    .where('number', '>', after)
    .where('number', '<=', last)
    .orderBy('number')
    .limit(ROWS_AT_ONCE)
    .execute();
}
