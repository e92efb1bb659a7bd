import type { Unit } from '../store/database.js';
import type { Owner } from '../store/factor-secrets.js';
import type { FactorRow, IdempotencyRow } from '../store/schema.js';
import type { AttemptNumbers, Standing } from './attempt-limiter.js';
import type {
  CheckQueries,
  CounterMove,
  Forgiveness,
  LiveSentCode,
  ReservedUser,
} from './check-queries.js';

const RESERVE = `
  update users set
    failures = failures + 1,
    next_attempt_at = case
      when failures + 1 < ? then 0
      when failures + 1 - ? >= ? then ?
      else ? + (? << (failures + 1 - ?))
    end,
    wrong_codes_until = max(wrong_codes_until, ?) + ?
  where realm = ? and unique_id = ?
    and failures < ? and next_attempt_at <= ? and wrong_codes_until <= ?
  returning id, realm, unique_id, enrolled, next_attempt_at`;

const STANDING = `
  select failures, next_attempt_at, wrong_codes_until
  from users where realm = ? and unique_id = ?`;

const FACTORS = {
  codes: `select * from factors where user_id = ? and kind in ('totp', 'otp')`,
  recovery: `select * from factors where user_id = ? and kind = 'recovery'`,
};

const TRY_SENT_CODES = `
  update sent_codes set tries = tries + 1
  where user_id = ? and expires_at > ? and tries < ?
  returning user_id, channel, code_hash`;

const MOVE_COUNTER = `
  update factors set counter = ?, state = 'active', last_used_at = ?
  where id = ? and counter = ? and secret = ?
  returning id`;

const DELETE_FACTOR = 'delete from factors where id = ? returning id';

const DELETE_SENT_CODE = `
  delete from sent_codes where user_id = ? and channel = ? and code_hash = ?
  returning user_id`;

const FORGIVE_ALL = `
  update users set
    failures = 0,
    next_attempt_at = 0,
    wrong_codes_until = wrong_codes_until - ?,
    enrolled = max(enrolled, ?)
  where id = ?
  returning epoch`;

const FORGIVE_SENT = `
  update users set
    failures = case when enrolled = 0 then 0 else max(failures - 1, 0) end,
    next_attempt_at = case
      when enrolled = 0 or next_attempt_at = ? then 0 else next_attempt_at
    end,
    wrong_codes_until = wrong_codes_until - ?
  where id = ?
  returning epoch`;

const RECORD = 'select * from idempotency where id = ? and expires_at > ?';

const PUT_RECORD = `
  insert into idempotency (id, fingerprint, claim, answer, expires_at)
  values (?, ?, ?, ?, ?)
  on conflict (id) do update set
    fingerprint = excluded.fingerprint,
    claim = excluded.claim,
    answer = excluded.answer,
    expires_at = excluded.expires_at
  where idempotency.expires_at <= ?
  returning id`;

/** One statement per check: see {@link CheckQueries}. */
export class SqliteCheckQueries implements CheckQueries {
  constructor(private readonly unit: Unit) {}

  async reserve(owners: readonly Owner[], n: AttemptNumbers) {
    return await this.each<Owner, ReservedUser>(
      RESERVE,
      owners,
      ({ realm, unique_id }) => [
        n.free,
        n.free,
        n.doublings,
        n.now + n.maxDelayMs,
        n.now,
        n.delayMs,
        n.free,
        n.now,
        n.shareMs,
        realm,
        unique_id,
        n.lockAt,
        n.now,
        n.now + n.aheadMs,
      ],
    );
  }

  async standings(owners: readonly Owner[]) {
    return await this.each<Owner, Standing>(STANDING, owners, (owner) => [
      owner.realm,
      owner.unique_id,
    ]);
  }

  async factors(userIds: readonly string[], kinds: 'codes' | 'recovery') {
    const rows: FactorRow[] = [];
    for (const id of userIds)
      rows.push(...(await this.unit.all<FactorRow>(FACTORS[kinds], [id])));
    return rows;
  }

  async trySentCodes(
    userIds: readonly string[],
    now: number,
    maxTries: number,
  ) {
    const rows: LiveSentCode[] = [];
    for (const id of userIds)
      rows.push(
        ...(await this.unit.all<LiveSentCode>(TRY_SENT_CODES, [
          id,
          now,
          maxTries,
        ])),
      );
    return rows;
  }

  async moveCounters(moves: readonly CounterMove[], now: number) {
    return areThere(
      await this.each(MOVE_COUNTER, moves, ({ factor, counter }) => [
        counter,
        now,
        factor.id,
        factor.counter,
        factor.secret,
      ]),
    );
  }

  async deleteFactors(ids: readonly string[]) {
    return areThere(await this.each(DELETE_FACTOR, ids, (id) => [id]));
  }

  async deleteSentCodes(codes: readonly LiveSentCode[]) {
    return areThere(
      await this.each(
        DELETE_SENT_CODE,
        codes,
        ({ user_id, channel, code_hash }) => [user_id, channel, code_hash],
      ),
    );
  }

  async forgive(forgiven: readonly Forgiveness[], { shareMs }: AttemptNumbers) {
    const epochs: string[] = [];
    for (const { userId, mode, nextAttemptAt } of forgiven) {
      const [row] = await this.unit.all<{ epoch: string }>(
        mode === 'sent' ? FORGIVE_SENT : FORGIVE_ALL,
        mode === 'sent'
          ? [nextAttemptAt, shareMs, userId]
          : [shareMs, mode === 'app' ? 1 : 0, userId],
      );
      epochs.push(row!.epoch);
    }
    return epochs;
  }

  async records(ids: readonly string[], now: number) {
    return await this.each<string, IdempotencyRow>(RECORD, ids, (id) => [
      id,
      now,
    ]);
  }

  async putRecords(records: readonly IdempotencyRow[], now: number) {
    return areThere(
      await this.each(
        PUT_RECORD,
        records,
        ({ id, fingerprint, claim, answer, expires_at }) => [
          id,
          fingerprint,
          claim,
          answer,
          expires_at,
          now,
        ],
      ),
    );
  }

  /** The first row, if any, of a statement for each item. */
  private async each<Item, Row = unknown>(
    sql: string,
    items: readonly Item[],
    parameters: (item: Item) => unknown[],
  ): Promise<(Row | undefined)[]> {
    const rows: (Row | undefined)[] = [];
    for (const item of items)
      rows.push((await this.unit.all<Row>(sql, parameters(item)))[0]);
    return rows;
  }
}

const areThere = (rows: unknown[]) => rows.map((row) => row !== undefined);
