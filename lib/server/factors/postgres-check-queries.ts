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

// Each of the batch has a position, from 1, in which results are put in order.

const LOCK = `
  select position, users.id, enrolled, epoch, failures, next_attempt_at, wrong_codes_until
  from users join unnest($1::text[], $2::text[])
    with ordinality as asked (realm, unique_id, position)
    on users.realm = asked.realm and users.unique_id = asked.unique_id
  order by users.id
  for update of users`;

const LOCK_FREE = `${LOCK} skip locked`;

const FACTORS = `
  select factors.id, factors.user_id, kind, secret, algorithm, factors.digits, period, counter
  from factors join unnest($1::text[], $2::integer[]) as asked (user_id, digits)
    on factors.user_id = asked.user_id and factors.digits = asked.digits
  where expires_at is null or expires_at > $3::bigint`;

const TRY_SENT_CODES = `
  update sent_codes set tries = tries + 1
  where user_id = any($1::text[]) and expires_at > $2::bigint and tries < $3::integer
  returning user_id, channel, code_hash, counted`;

const MOVE_COUNTERS = `
  update factors set
    counter = moves.new, state = 'active', last_used_at = $5::bigint, expires_at = null
  from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])
    with ordinality as moves (id, old, new, secret, position)
  where factors.id = moves.id
    and factors.counter = moves.old
    and factors.secret = moves.secret
  returning moves.position`;

const DELETE_FACTORS = `
  delete from factors
  using unnest($1::text[]) with ordinality as used (id, position)
  where factors.id = used.id
  returning used.position`;

const DELETE_SENT_CODES = `
  delete from sent_codes
  using unnest($1::text[], $2::text[], $3::text[])
    with ordinality as used (user_id, channel, code_hash, position)
  where sent_codes.user_id = used.user_id
    and sent_codes.channel = used.channel
    and sent_codes.code_hash = used.code_hash
  returning used.position`;

const COUNT_ENTERED =
  'update message_counts set entered = entered + 1 where subject = $1 and entered < sent';

const SAVE_USERS = `
  update users set
    failures = saved.failures,
    next_attempt_at = saved.next_attempt_at,
    wrong_codes_until = saved.wrong_codes_until,
    enrolled = saved.enrolled
  from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::integer[])
    as saved (id, failures, next_attempt_at, wrong_codes_until, enrolled)
  where users.id = saved.id`;

const CLAIM = `
  insert into idempotency (id, fingerprint, claim, expires_at)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    as given (id, fingerprint, claim, expires_at)
  order by 1
  on conflict (id) do update set
    fingerprint = excluded.fingerprint,
    claim = excluded.claim,
    answer = null,
    expires_at = excluded.expires_at
  where idempotency.expires_at <= $5::bigint
  returning id`;

// CLAIM has locked them: they are still there.
const RECORDS = `
  select position, idempotency.*
  from idempotency join unnest($1::text[]) with ordinality as asked (key, position)
    on idempotency.id = asked.key
  where not key = any($2::text[])`;

const RELEASE = 'delete from idempotency where id = any($1::text[])';

const PUT_ANSWERS = `
  update idempotency set answer = given.answer
  from unnest($1::text[], $2::text[]) as given (id, answer)
  where idempotency.id = given.id`;

/** One statement per batch: see {@link CheckQueries}. */
export class PostgresCheckQueries implements CheckQueries {
  constructor(private readonly unit: Unit) {}

  async lock(owners: readonly Owner[], waits: boolean) {
    const rows = await this.inOrder<LockedRow>(
      waits ? LOCK : LOCK_FREE,
      owners.length,
      [
        owners.map(({ realm }) => realm),
        owners.map(({ unique_id }) => unique_id),
      ],
    );
    return waits ? rows : rows.map((row) => row ?? 'skipped');
  }

  async factors(asked: readonly AskedFactors[], now: number) {
    if (asked.length === 0) return [];
    return await this.unit.all<ComparedFactor>(FACTORS, [
      asked.map(({ userId }) => userId),
      asked.map(({ digits }) => digits),
      now,
    ]);
  }

  async trySentCodes(
    userIds: readonly string[],
    now: number,
    maxTries: number,
  ) {
    return await this.unit.all<LiveSentCode>(TRY_SENT_CODES, [
      userIds,
      now,
      maxTries,
    ]);
  }

  async moveCounters(moves: readonly CounterMove[], now: number) {
    return areThere(
      await this.inOrder(MOVE_COUNTERS, moves.length, [
        moves.map(({ factor }) => factor.id),
        moves.map(({ factor }) => factor.counter),
        moves.map(({ counter }) => counter),
        moves.map(({ factor }) => factor.secret),
        now,
      ]),
    );
  }

  async deleteFactors(ids: readonly string[]) {
    return areThere(await this.inOrder(DELETE_FACTORS, ids.length, [ids]));
  }

  async deleteSentCodes(codes: readonly LiveSentCode[]) {
    return areThere(
      await this.inOrder(DELETE_SENT_CODES, codes.length, [
        codes.map(({ user_id }) => user_id),
        codes.map(({ channel }) => channel),
        codes.map(({ code_hash }) => code_hash),
      ]),
    );
  }

  /** One by one: the order is that of the locks. */
  async countEntered(subjects: readonly string[]) {
    for (const subject of subjects)
      await this.unit.run(COUNT_ENTERED, [subject]);
  }

  async saveUsers(users: readonly LockedRow[]) {
    if (users.length === 0) return;
    await this.unit.run(SAVE_USERS, [
      users.map(({ id }) => id),
      users.map(({ failures }) => failures),
      users.map(({ next_attempt_at }) => next_attempt_at),
      users.map(({ wrong_codes_until }) => wrong_codes_until),
      users.map(({ enrolled }) => enrolled),
    ]);
  }

  async claim(pending: readonly IdempotencyRow[], now: number) {
    if (pending.length === 0) return [];
    const ids = pending.map(({ id }) => id);
    const claimed = await this.unit.all<{ id: string }>(CLAIM, [
      ids,
      pending.map(({ fingerprint }) => fingerprint),
      pending.map(({ claim }) => claim),
      pending.map(({ expires_at }) => expires_at),
      now,
    ]);
    const others = ids.length - claimed.length;
    return await this.inOrder<IdempotencyRow>(
      RECORDS,
      others === 0 ? 0 : ids.length,
      [ids, claimed.map(({ id }) => id)],
    );
  }

  async release(ids: readonly string[]) {
    if (ids.length > 0) await this.unit.run(RELEASE, [ids]);
  }

  async putAnswers(records: readonly IdempotencyRow[]) {
    if (records.length === 0) return;
    await this.unit.run(PUT_ANSWERS, [
      records.map(({ id }) => id),
      records.map(({ answer }) => answer),
    ]);
  }

  private async inOrder<Row>(
    sql: string,
    length: number,
    parameters: readonly unknown[],
  ): Promise<(Row | undefined)[]> {
    const rows = new Array<Row | undefined>(length).fill(undefined);
    if (length === 0) return rows;
    type Positioned = Row & { position: number };
    for (const row of await this.unit.all<Positioned>(sql, parameters))
      rows[row.position - 1] = row;
    return rows;
  }
}

const areThere = (rows: unknown[]) => rows.map((row) => row !== undefined);
