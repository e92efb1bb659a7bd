import type { Channel } from '../../contract/channel.js';
import type { Owner } from '../store/factor-secrets.js';
import type { FactorRow, IdempotencyRow, UserRow } from '../store/schema.js';
import type { AttemptNumbers, Standing } from './attempt-limiter.js';

/** A user after an attempt of theirs was counted. */
export type ReservedUser = Pick<
  UserRow,
  'id' | 'realm' | 'unique_id' | 'enrolled' | 'next_attempt_at'
>;

/** A sent code that can be used now. */
export interface LiveSentCode {
  user_id: string;
  channel: Channel;
  code_hash: string;
}

/** Marks a TOTP step or a one-time pass as used, if the factor still is as it was read. */
export interface CounterMove {
  factor: Pick<FactorRow, 'id' | 'counter' | 'secret'>;
  /** the new counter */
  counter: number;
}

/** What a right code forgives, in `users`. */
export interface Forgiveness {
  userId: string;
  /** `app`: everything, and the user is now enrolled; `all`: everything; `sent`: as {@link AttemptLimiter} describes */
  mode: 'app' | 'all' | 'sent';
  /** as the attempt left it: ends the wait that it caused, not one that a later attempt caused */
  nextAttemptAt: number;
}

/**
 * The statements of a batch of checks, in one unit of work.
 *
 * PostgreSQL runs each of them once for the whole batch, SQLite once per check:
 * there, the commit is what costs. Results are in the order of what was given.
 * Every user occurs once in a batch.
 */
export interface CheckQueries {
  /**
   * Counts an attempt of each user, unless they have to wait. Locks the users in
   * the order of their ids, so that two batches cannot deadlock.
   */
  reserve(
    owners: readonly Owner[],
    numbers: AttemptNumbers,
  ): Promise<(ReservedUser | undefined)[]>;
  /** The standing of users; `undefined` for those who do not exist. */
  standings(owners: readonly Owner[]): Promise<(Standing | undefined)[]>;
  /** The factors of users. @param kinds which ones */
  factors(
    userIds: readonly string[],
    kinds: 'codes' | 'recovery',
  ): Promise<FactorRow[]>;
  /** Counts a try of each live sent code of users, and returns those codes. */
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
  /** @returns the epoch of each user */
  forgive(
    forgiven: readonly Forgiveness[],
    numbers: AttemptNumbers,
  ): Promise<string[]>;
  /** The live records of idempotency keys; `undefined` for those without one. */
  records(
    ids: readonly string[],
    now: number,
  ): Promise<(IdempotencyRow | undefined)[]>;
  /** @returns for each record, whether its key was still free */
  putRecords(
    records: readonly IdempotencyRow[],
    now: number,
  ): Promise<boolean[]>;
}
