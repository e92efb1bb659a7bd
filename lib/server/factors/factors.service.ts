import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { CreateFactorDto } from '../../contract/dto/create-factor.dto.js';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { Queries, Unit } from '../store/database.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import { NewFactors } from './new-factors.js';
import { PASS_PARAMETERS, TOTP_DEFAULTS } from './otp.js';

/** Factors that a person gives a name to; each one is another secret to guess at. */
export const MAX_TOTPS = 10;

/** A user with the factors that the contract shows as `key`, `otp` and `recovery_codes_left`. */
export interface User extends UserRow {
  /** the oldest authenticator app */
  totp: FactorRow;
  otp: FactorRow;
  recovery_codes_left: number;
  /**
   * whether pages may show the secret of `totp`: it was never used, and it is how the
   * user enrols; not if another app of theirs is what a password alone must not get past
   */
  may_show_secret: boolean;
}

/** The factors of users. */
@Injectable()
export class FactorsService {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly newFactors: NewFactors,
  ) {}

  /** Stores the first factors of a new user. */
  async createFirst({ db }: Unit, user: UserRow): Promise<User> {
    const [totp, otp] = this.newFactors.first(user);
    await db.insertInto('factors').values([totp, otp]).execute();
    return {
      ...user,
      totp,
      otp,
      recovery_codes_left: 0,
      may_show_secret: true,
    };
  }

  /** Whether an app other than the one that `key` shows is in use. */
  async hasSecondApp(db: Queries, user: UserRow): Promise<boolean> {
    const [, ...others] = (await this.list(db, user)).filter(
      ({ kind }) => kind === 'totp',
    );
    return others.some(({ state }) => state === 'active');
  }

  /** Replaces the secrets that `key` and `otp` show. */
  async resetFirst({ db }: Unit, user: UserRow): Promise<void> {
    const [{ totp, otp }] = (await this.ofUsers(db, [user])) as [User];
    for (const { id, kind } of [totp, otp])
      await db
        .updateTable('factors')
        .set({
          ...(kind === 'totp'
            ? this.newFactors.secret(user, { id, kind, ...TOTP_DEFAULTS })
            : this.newFactors.secret(user, { id, kind, ...PASS_PARAMETERS })),
          counter: 0,
          last_used_at: null,
          ...(kind === 'totp' ? { state: 'pending' } : {}),
        })
        .where('id', '=', id)
        .execute();
  }

  /** Rows with the factors of their users, in the same order; without users who were deleted after their row was read. */
  async ofUsers(db: Queries, rows: readonly UserRow[]): Promise<User[]> {
    const factors = await this.ofUserIds(
      db,
      rows.map(({ id }) => id),
    );
    const ofUser = new Map<string, FactorRow[]>(rows.map(({ id }) => [id, []]));
    for (const factor of factors) ofUser.get(factor.user_id)?.push(factor);
    return rows.flatMap((row) => {
      const own = ofUser.get(row.id)!;
      const of = (kind: FactorRow['kind']) =>
        own.filter((factor) => factor.kind === kind);
      const apps = of('totp');
      const [[totp], [otp]] = [apps, of('otp')];
      if (!totp || !otp) return [];
      const isActive = apps.some(({ state }) => state === 'active');
      return [
        {
          ...row,
          totp,
          otp,
          recovery_codes_left: of('recovery').length,
          may_show_secret:
            totp.counter === 0 && (row.enrolled === 0 || !isActive),
        },
      ];
    });
  }

  /** Authenticator apps and one-time passes of a user, the oldest first. */
  async list(db: Queries, user: UserRow): Promise<FactorRow[]> {
    const factors = await this.ofUserIds(db, [user.id]);
    return factors.filter(({ kind }) => kind !== 'recovery');
  }

  /**
   * Adds an authenticator app. It is pending until its first right code, and ends if
   * there is none in time: the QR code of an abandoned enrolment must not stay a key.
   *
   * @throws ConflictError if the user has ten
   */
  async add(
    unit: Unit,
    user: UserRow,
    { name, algorithm, digits, period }: CreateFactorDto,
  ): Promise<FactorRow> {
    const now = this.now();
    await unit.db
      .deleteFrom('factors')
      .where('user_id', '=', user.id)
      .where('expires_at', '<=', now)
      .execute();
    const existing = await this.list(unit.db, user);
    if (existing.filter(({ kind }) => kind === 'totp').length >= MAX_TOTPS)
      throw new ConflictError(
        `The user has ${MAX_TOTPS} authenticator apps: delete one first`,
        { errorCode: 'too_many_factors' },
      );
    // The oldest one is `key`: a clock that stands still or goes back must not change it.
    const createdAt = Math.max(
      now,
      ...existing.map(({ created_at }) => created_at + 1),
    );
    const factor: FactorRow = {
      ...this.newFactors.totp(user, createdAt, {
        algorithm: algorithm ?? TOTP_DEFAULTS.algorithm,
        digits: digits ?? TOTP_DEFAULTS.digits,
        period: period ?? TOTP_DEFAULTS.period,
      }),
      name: name ?? null,
      expires_at: now + this.settings.security.pendingFactorTtlSeconds * 1000,
    };
    await unit.db.insertInto('factors').values(factor).execute();
    return factor;
  }

  /** @throws NotFoundError */
  async rename(
    { db }: Unit,
    user: UserRow,
    id: string,
    name: string | null,
  ): Promise<FactorRow> {
    const factor = found(await this.list(db, user), id);
    await db
      .updateTable('factors')
      .set({ name })
      .where('id', '=', id)
      .execute();
    return { ...factor, name };
  }

  /**
   * Deletes an authenticator app. `key` then shows the oldest one that is left. If
   * it was in use, the user's epoch changes: proofs and tokens that it earned end.
   *
   * @throws NotFoundError
   * @throws ConflictError if it is the only one, or the only one that was ever used
   */
  async delete({ db }: Unit, user: UserRow, id: string): Promise<FactorRow> {
    const factors = await this.list(db, user);
    const factor = found(factors, id);
    const others = factors.filter(
      (one) => one.kind === 'totp' && one.id !== id,
    );
    const isNeeded =
      factor.state === 'active' &&
      !others.some(({ state }) => state === 'active');
    if (factor.kind !== 'totp' || others.length === 0 || isNeeded)
      throw new ConflictError(
        'The user needs this factor: reset_key replaces the secret of the only authenticator app',
        { errorCode: 'factor_needed' },
      );
    await db.deleteFrom('factors').where('id', '=', id).execute();
    // It may be the first one now, which does not end.
    await db
      .updateTable('factors')
      .set({ expires_at: null })
      .where('id', '=', others[0]!.id)
      .execute();
    if (factor.state === 'active')
      await db
        .updateTable('users')
        .set({ epoch: randomUUID() })
        .where('id', '=', user.id)
        .execute();
    return factor;
  }

  private async ofUserIds(
    db: Queries,
    ids: readonly string[],
  ): Promise<FactorRow[]> {
    // PostgreSQL refuses an empty list.
    if (ids.length === 0) return [];
    return await db
      .selectFrom('factors')
      .selectAll()
      .where('user_id', 'in', ids)
      .where((eb) =>
        eb.or([
          eb('expires_at', 'is', null),
          eb('expires_at', '>', this.now()),
        ]),
      )
      .orderBy('created_at')
      // The first two are of the same time: the authenticator app, then the one-time pass.
      .orderBy('kind', 'desc')
      .orderBy('id')
      .execute();
  }
}

function found(factors: readonly FactorRow[], id: string): FactorRow {
  const factor = factors.find((candidate) => candidate.id === id);
  if (factor) return factor;
  throw new NotFoundError('The user has no such factor', {
    errorCode: 'factor_not_found',
  });
}
