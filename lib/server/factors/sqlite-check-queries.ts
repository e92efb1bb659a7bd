import type { Unit } from '../store/database.js';
import type { Owner } from '../store/factor-secrets.js';
import type { IdempotencyRow } from '../store/schema.js';
import type {
  AskedFactors,
  CheckQueries,
  ComparedFactor,
  CounterMove,
  LiveSentCode,
  LockedRow,
} from './check-queries.js';

// A unit of work on SQLite is the only one that writes: reading a row locks it.
const LOCK = `
  select id, enrolled, epoch, failures, next_attempt_at, wrong_codes_until
  from users where realm = ? and unique_id = ?`;

const FACTORS = `
  select id, user_id, kind, secret, algorithm, digits, period, counter
  from factors
  where user_id = ? and digits = ? and (expires_at is null or expires_at > ?)`;

const TRY_SENT_CODES = `
  update sent_codes set tries = tries + 1
  where user_id = ? and expires_at > ? and tries < ?
  returning user_id, channel, code_hash, counted`;

const MOVE_COUNTER = `
  update factors set counter = ?, state = 'active', last_used_at = ?, expires_at = null
  where id = ? and counter = ? and secret = ?`;

const DELETE_FACTOR = 'delete from factors where id = ?';

const DELETE_SENT_CODE =
  'delete from sent_codes where user_id = ? and channel = ? and code_hash = ?';

const COUNT_ENTERED =
  'update message_counts set entered = entered + 1 where subject = ? and entered < sent';

const SAVE_USER = `
  update users set
    failures = ?, next_attempt_at = ?, wrong_codes_until = ?, enrolled = ?
  where id = ?`;

const RECORD = 'select * from idempotency where id = ? and expires_at > ?';

// Where there is a record, it has expired: the unit has looked.
const PUT_ANSWER = `
  insert or replace into idempotency (id, fingerprint, claim, answer, expires_at)
  values (?, ?, ?, ?, ?)`;

/** One statement per check: see {@link CheckQueries}. */
export class SqliteCheckQueries implements CheckQueries {
  constructor(private readonly unit: Unit) {}

  lock(owners: readonly Owner[]) {
    return this.first<Owner, LockedRow>(
      LOCK,
      owners,
      ({ realm, unique_id }) => [realm, unique_id],
    );
  }

  factors(asked: readonly AskedFactors[], now: number) {
    return this.rows<AskedFactors, ComparedFactor>(
      FACTORS,
      asked,
      ({ userId, digits }) => [userId, digits, now],
    );
  }

  trySentCodes(userIds: readonly string[], now: number, maxTries: number) {
    return this.rows<string, LiveSentCode>(TRY_SENT_CODES, userIds, (id) => [
      id,
      now,
      maxTries,
    ]);
  }

  moveCounters(moves: readonly CounterMove[], now: number) {
    return this.changed(MOVE_COUNTER, moves, ({ factor, counter }) => [
      counter,
      now,
      factor.id,
      factor.counter,
      factor.secret,
    ]);
  }

  deleteFactors(ids: readonly string[]) {
    return this.changed(DELETE_FACTOR, ids, (id) => [id]);
  }

  deleteSentCodes(codes: readonly LiveSentCode[]) {
    return this.changed(
      DELETE_SENT_CODE,
      codes,
      ({ user_id, channel, code_hash }) => [user_id, channel, code_hash],
    );
  }

  async countEntered(subjects: readonly string[]) {
    await this.changed(COUNT_ENTERED, subjects, (subject) => [subject]);
  }

  async saveUsers(users: readonly LockedRow[]) {
    await this.changed(SAVE_USER, users, (user) => [
      user.failures,
      user.next_attempt_at,
      user.wrong_codes_until,
      user.enrolled,
      user.id,
    ]);
  }

  claim(pending: readonly IdempotencyRow[], now: number) {
    return this.first<IdempotencyRow, IdempotencyRow>(
      RECORD,
      pending,
      ({ id }) => [id, now],
    );
  }

  /** A claim wrote nothing. */
  release() {
    return Promise.resolve();
  }

  async putAnswers(records: readonly IdempotencyRow[]) {
    await this.changed(PUT_ANSWER, records, (row) => [
      row.id,
      row.fingerprint,
      row.claim,
      row.answer,
      row.expires_at,
    ]);
  }

  /** The first row, if any, of a statement for each item. */
  private async first<Item, Row>(
    sql: string,
    items: readonly Item[],
    parameters: (item: Item) => unknown[],
  ): Promise<(Row | undefined)[]> {
    const rows: (Row | undefined)[] = [];
    for (const item of items)
      rows.push((await this.unit.all<Row>(sql, parameters(item)))[0]);
    return rows;
  }

  /** All rows of a statement for each item. */
  private async rows<Item, Row>(
    sql: string,
    items: readonly Item[],
    parameters: (item: Item) => unknown[],
  ): Promise<Row[]> {
    const rows: Row[] = [];
    for (const item of items)
      rows.push(...(await this.unit.all<Row>(sql, parameters(item))));
    return rows;
  }

  /** Whether a statement changed a row, for each item. */
  private async changed<Item>(
    sql: string,
    items: readonly Item[],
    parameters: (item: Item) => unknown[],
  ): Promise<boolean[]> {
    const changed: boolean[] = [];
    for (const item of items)
      changed.push((await this.unit.run(sql, parameters(item))) === 1);
    return changed;
  }
}
