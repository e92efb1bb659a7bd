import type { Channel } from '../../contract/channel.js';
import type { Owner } from '../store/factor-secrets.js';
import type { FactorRow, IdempotencyRow, UserRow } from '../store/schema.js';
import type { Standing } from './attempt-limiter.js';

/** The row of a user, locked until the unit of work ends. */
export type LockedRow = Standing & Pick<UserRow, 'id' | 'enrolled' | 'epoch'>;

/** A user whose row is locked. Their names are those that were asked for, never the row's. */
export type LockedUser = LockedRow & Pick<UserRow, 'realm' | 'unique_id'>;

/** A sent code that can be used now. */
export interface LiveSentCode {
  user_id: string;
  channel: Channel;
  code_hash: string;
  /** what its message was counted in, a line each */
  counted: string | null;
}

/** Which factors of a user may have made a code. */
export interface AskedFactors {
  userId: string;
  digits: number;
}

/** What a factor's code is compared with. */
export type ComparedFactor = Pick<
  FactorRow,
  | 'id'
  | 'user_id'
  | 'kind'
  | 'secret'
  | 'algorithm'
  | 'digits'
  | 'period'
  | 'counter'
>;

/** Marks a TOTP step or a one-time pass as used, if the factor still is as it was read. */
export interface CounterMove {
  factor: Pick<FactorRow, 'id' | 'counter' | 'secret'>;
  /** the new counter */
  counter: number;
}

/**
 * The statements of a batch of checks, in one unit of work.
 *
 * PostgreSQL runs each of them once for the whole batch, SQLite once per check:
 * there, the commit is what costs. Results are in the order of what was given,
 * unless they are rows. Every user occurs once in a batch.
 */
export interface CheckQueries {
  /**
   * Locks users, in the order of their ids, so that two batches cannot deadlock.
   *
   * @param waits whether to wait for rows that are locked; otherwise, PostgreSQL skips them
   * @returns `undefined` for those who do not exist; `'skipped'` for those who are locked
   *   by another unit of work, or do not exist
   */
  lock(
    owners: readonly Owner[],
    waits: boolean,
  ): Promise<(LockedRow | 'skipped' | undefined)[]>;
  /**
   * The factors of locked users, still valid, whose codes have so many digits: authenticator apps
   * and one-time passes, or recovery codes, which have as many letters.
   */
  factors(
    asked: readonly AskedFactors[],
    now: number,
  ): Promise<ComparedFactor[]>;
  /** Counts a try of each live sent code of locked users, and returns those codes. */
  trySentCodes(
    userIds: readonly string[],
    now: number,
    maxTries: number,
  ): Promise<LiveSentCode[]>;
  /** @returns for each, whether the factor was as it was read */
  moveCounters(moves: readonly CounterMove[], now: number): Promise<boolean[]>;
  /** @returns for each recovery code, whether it was there */
  deleteFactors(ids: readonly string[]): Promise<boolean[]>;
  /** @returns for each sent code, whether it was there */
  deleteSentCodes(codes: readonly LiveSentCode[]): Promise<boolean[]>;
  /** Counts that codes of messages were entered. @param subjects one for each code, in one order for all units */
  countEntered(subjects: readonly string[]): Promise<void>;
  /** Stores the standing of locked users, and whether they are enrolled. */
  saveUsers(users: readonly LockedRow[]): Promise<void>;
  /**
   * Claims idempotency keys, in the order of their ids, before users are locked: the
   * other calls take their locks in this order too. On PostgreSQL, waits for another
   * unit of work with one of the keys. SQLite only reads: no other unit can write.
   *
   * @param pending the records of the claims
   * @returns for each key, the live record it has already; `undefined` if it is claimed
   */
  claim(
    pending: readonly IdempotencyRow[],
    now: number,
  ): Promise<(IdempotencyRow | undefined)[]>;
  /** Gives up claims of this unit. */
  release(ids: readonly string[]): Promise<void>;
  /** Stores the answers of claimed keys. */
  putAnswers(records: readonly IdempotencyRow[]): Promise<void>;
}
