import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type Queries } from '../store/database.js';
import { Keyring } from '../store/keyring.js';
import type { AuditRow } from '../store/schema.js';
import { AuditLog, chained, nameSubject } from './audit-log.js';
import type { Origin } from './audit-event.js';
import type { Head } from './audit-queries.js';

const ROWS_AT_ONCE = 500;

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
    const { read } = this.database;
    const heads = await read
      .selectFrom('audit_heads')
      .select('realm')
      .union(read.selectFrom('audit').select('realm'))
      .orderBy('realm')
      .execute();
    return heads.map(({ realm }) => realm);
  }

  /**
   * Checks every row of a realm: none was altered, removed, added or moved.
   *
   * @param expected a row that was there before: shows whether the end was cut off
   */
  async verify(
    realm: string,
    expected?: Head,
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
          const pruned = await this.pruned(realm);
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
      if (expected?.number === row.number && expected.hash !== hash)
        return result(`row ${row.number} has another hash than expected`);
      state.last = row.number;
      state.hash = hash;
    }
    if (state.last !== head.number || state.hash !== head.hash)
      return result(`the rows after ${state.last} are missing`);
    if (expected && expected.number > state.last)
      return result(`row ${expected.number}, which is expected, is missing`);
    return result();
  }

  /** The rows of a realm, the oldest first. */
  async *export(realm: string, query: AuditQuery): AsyncGenerator<AuditRow> {
    const names =
      query.uniqueId === undefined
        ? []
        : this.keyring.lookups(nameSubject(realm, query.uniqueId));
    const ids = new Set<string>();
    for await (const row of this.rows(realm)) {
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
   * Deletes the rows of a realm from before a time, and says so in the chain.
   *
   * @returns how many
   */
  async prune(realm: string, before: number, origin: Origin): Promise<number> {
    return await this.database.unit(async (unit) => {
      const last = await unit.db
        .selectFrom('audit')
        .select(['number', 'hash'])
        .where('realm', '=', realm)
        .where('at', '<', before)
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst();
      if (!last) return 0;
      const { numDeletedRows } = await unit.db
        .deleteFrom('audit')
        .where('realm', '=', realm)
        .where('number', '<=', last.number)
        .executeTakeFirst();
      const details = { number: last.number, hash: last.hash };
      await this.log.append(unit, [
        { realm, origin, action: 'audit.prune', details },
      ]);
      return Number(numDeletedRows);
    });
  }

  private async headOf(realm: string): Promise<Head | undefined> {
    return await this.database.read
      .selectFrom('audit_heads')
      .select(['number', 'hash'])
      .where('realm', '=', realm)
      .executeTakeFirst();
  }

  /** The last row that was pruned. */
  private async pruned(realm: string): Promise<Head | undefined> {
    const row = await this.database.read
      .selectFrom('audit')
      .select('details')
      .where('realm', '=', realm)
      .where('action', '=', 'audit.prune')
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.details ? (JSON.parse(row.details) as Head) : undefined;
  }

  private async *rows(
    realm: string,
    last = Number.MAX_SAFE_INTEGER,
  ): AsyncGenerator<AuditRow> {
    for (let after = 0; ;) {
      const rows = await page(this.database.read, realm, after, last);
      yield* rows;
      if (rows.length < ROWS_AT_ONCE) return;
      after = rows.at(-1)!.number;
    }
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
