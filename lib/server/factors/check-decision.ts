import { Inject, Injectable } from '@nestjs/common';
import {
  isPossibleAuthCode,
  normalizeAuthCode,
} from '../../contract/dto/auth-code.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { Queries, Unit } from '../store/database.js';
import { IdempotencyStore } from '../store/idempotency-store.js';
import { AuditLog } from '../audit/audit-log.js';
import { AttemptLimiter } from './attempt-limiter.js';
import type { Check, Settled, Skipped } from './check.js';
import { acceptedOf, type Attempt, eventOf, isSent } from './check-attempt.js';
import type { CheckQueries, LockedUser } from './check-queries.js';
import { CheckRecords } from './check-records.js';
import { CodeMatcher, type Match } from './code-matcher.js';
import { PostgresCheckQueries } from './postgres-check-queries.js';
import { SqliteCheckQueries } from './sqlite-check-queries.js';

/**
 * Decides "authenticated"; nothing else does.
 *
 * The users are locked before their codes are compared, until the unit of work
 * ends: simultaneous guesses at a user are decided one after the other. Every kind
 * of code is accepted by a compare-and-set: the statement that marks the code as
 * used also tells whether it was still unused. Of any number of requests with the
 * same code, on any number of instances, one succeeds.
 */
@Injectable()
export class CheckDecision {
  private readonly records: CheckRecords;

  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly matcher: CodeMatcher,
    private readonly attempts: AttemptLimiter,
    private readonly audit: AuditLog,
    records: IdempotencyStore,
  ) {
    this.records = new CheckRecords(records, now);
  }

  /**
   * Decides checks of different users and with different keys, in their order.
   *
   * @param waits whether to wait for users whose rows are locked; otherwise, PostgreSQL
   *   skips their checks, and those of users who do not exist
   */
  async decide(
    unit: Unit,
    checks: readonly Check[],
    waits: boolean,
  ): Promise<(Settled | Skipped)[]> {
    const queries = queriesOf(unit);
    const settled: (Settled | Skipped | undefined)[] = await this.records.claim(
      queries,
      checks,
    );
    const open = checks.flatMap((check, index) =>
      settled[index] ? [] : [{ check, index }],
    );
    const users = await queries.lock(
      open.map(({ check }) => check.owner),
      waits,
    );
    const attempts: Attempt[] = [];
    open.forEach(({ check, index }, i) => {
      const user = users[i];
      if (user === 'skipped') {
        settled[index] = { skipped: true };
        return;
      }
      const error = this.attempts.refusal(user);
      if (error) settled[index] = { error };
      else {
        const { owner, code } = check;
        attempts.push({
          check,
          index,
          user: { ...user!, realm: owner.realm, unique_id: owner.unique_id },
          code: normalizeAuthCode(code),
        });
      }
    });
    await queries.release(
      open.flatMap(({ check: { once }, index }) =>
        once && settled[index] ? [once.request.id] : [],
      ),
    );
    await this.useFactors(queries, attempts);
    await this.useSentCodes(queries, attempts);
    await this.saveUsers(queries, attempts);
    await this.records.putAnswers(
      queries,
      attempts.map((attempt) => ({
        check: attempt.check,
        accepted: acceptedOf(attempt),
      })),
    );
    // Last: the chains of the realms are locked until the unit ends.
    await this.audit.append(unit, attempts.map(eventOf));
    for (const attempt of attempts)
      settled[attempt.index] = { outcome: { accepted: acceptedOf(attempt) } };
    return settled as (Settled | Skipped)[];
  }

  /**
   * The answers to earlier requests with the keys of checks; `undefined` where there is none.
   * Locks nothing.
   */
  answered(
    read: Queries,
    checks: readonly Check[],
  ): Promise<(Settled | undefined)[]> {
    return this.records.answered(read, checks);
  }

  /** Codes of authenticator apps, one-time passes, and recovery codes. */
  private async useFactors(
    queries: CheckQueries,
    attempts: readonly Attempt[],
  ): Promise<void> {
    const asked = attempts.filter(({ check }) =>
      isPossibleAuthCode(check.code),
    );
    const factors = await queries.factors(
      asked.map(({ user, code }) => ({
        userId: user.id,
        digits: code.length,
      })),
      this.now(),
    );
    const found = asked.flatMap((attempt) => {
      const { user, code } = attempt;
      const match = this.matcher.factorOf(user, code, of(user, factors));
      return match ? [{ attempt, match }] : [];
    });
    const recovery = found.filter(({ match }) => isRecovery(match));
    const others = found.filter(({ match }) => !isRecovery(match));
    const moved = await queries.moveCounters(
      others.map(({ match }) => match),
      this.now(),
    );
    others.forEach(({ attempt, match }, i) => {
      if (moved[i]) attempt.method = match.factor.kind;
    });
    const deleted = await queries.deleteFactors(
      recovery.map(({ match }) => match.factor.id),
    );
    recovery.forEach(({ attempt }, i) => {
      if (deleted[i]) attempt.method = 'recovery';
    });
  }

  private async useSentCodes(
    queries: CheckQueries,
    attempts: readonly Attempt[],
  ): Promise<void> {
    const asked = attempts.filter(
      ({ code, method, user, check }) =>
        !method &&
        /^\d{6}$/.test(code) &&
        (user.enrolled === 0 || check.sentCodesIfEnrolled !== false),
    );
    if (asked.length === 0) return;
    const live = await queries.trySentCodes(
      asked.map(({ user }) => user.id),
      this.now(),
      this.settings.security.sentCodeTries,
    );
    const found = asked.flatMap((attempt) => {
      const { user, code } = attempt;
      const match = this.matcher.sentCodeOf(user, code, of(user, live));
      return match ? [{ attempt, match }] : [];
    });
    const deleted = await queries.deleteSentCodes(
      found.map(({ match }) => match),
    );
    found.forEach(({ attempt, match }, i) => {
      if (deleted[i]) attempt.method = match.channel;
    });
    await queries.countEntered(
      found
        .filter((_, i) => deleted[i])
        .flatMap(({ match }) => match.counted?.split('\n') ?? [])
        .sort(),
    );
  }

  /** Stores what the codes did to the standing of their users. */
  private async saveUsers(
    queries: CheckQueries,
    attempts: readonly Attempt[],
  ): Promise<void> {
    const changed = attempts.flatMap(({ user, method }) => {
      const standing =
        method === undefined
          ? this.attempts.afterWrongCode(user)
          : this.attempts.afterRightCode(
              user,
              isSent(method) && user.enrolled === 1,
            );
      const enrolled = method === 'totp' ? 1 : user.enrolled;
      const isSame =
        standing.failures === user.failures &&
        standing.next_attempt_at === user.next_attempt_at &&
        standing.wrong_codes_until === user.wrong_codes_until &&
        enrolled === user.enrolled;
      return isSame ? [] : [{ ...user, ...standing, enrolled }];
    });
    await queries.saveUsers(changed);
  }
}

/** The rows of a user. A batch is small: no index is needed. */
function of<Row extends { user_id: string }>(
  { id }: LockedUser,
  rows: readonly Row[],
): Row[] {
  return rows.filter(({ user_id }) => user_id === id);
}

function queriesOf(unit: Unit): CheckQueries {
  return unit.dialect === 'sqlite'
    ? new SqliteCheckQueries(unit)
    : new PostgresCheckQueries(unit);
}

const isRecovery = ({ factor }: Match) => factor.kind === 'recovery';
