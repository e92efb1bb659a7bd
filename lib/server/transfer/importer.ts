import type { Database, Unit } from '../store/database.js';
import type { FactorSecrets } from '../store/factor-secrets.js';
import type { UserRow } from '../store/schema.js';
import { STRONG_SECRET_BYTES } from './check-factor.js';
import {
  type CheckContext,
  type CheckedUser,
  checkUser,
} from './check-user.js';
import type { Entry, Problem } from './exchange.js';
import {
  findExisting,
  insert,
  prepareForMany,
  renewTakenIds,
  seal,
} from './import-batch.js';
import { type NeededKey, recoveryKeysOf } from './import-recovery-keys.js';
import { SeenUsers } from './seen-users.js';
import { changesOf, type UpdatedUser, updateUser } from './update-user.js';

/** Users and rows of factors in one transaction: a tenth of a second, so that a server on the same database goes on. */
const USERS_AT_ONCE = 1_000;
const FACTORS_AT_ONCE = 5_000;

/** What to do with a user who exists already. */
export type Existing = 'skip' | 'update' | 'fail';

export interface ImportOptions {
  /** The realm of all users; without it, each has that of the export. */
  realm?: string | undefined;
  /** @default `skip` */
  existing?: Existing | undefined;
  /** Checks everything and changes nothing. @default false */
  dryRun?: boolean | undefined;
  /** Ids of the keys whose recovery codes work here; known once the header of an export is read. @default none */
  recoveryKeys?: (() => ReadonlySet<string>) | undefined;
  /** Called with the keys of recovery codes, before a batch with such codes is stored. */
  beforeRecoveryCodes?:
    ((keys: readonly NeededKey[]) => Promise<void>) | undefined;
  /** At the end of each unit of work, for the audit log. */
  onStored?: ((unit: Unit, stored: StoredUsers) => Promise<void>) | undefined;
  /** A user that is not imported. */
  onRefused?: ((problem: Problem) => void) | undefined;
  /** Something that a user is imported without. */
  onWarning?: ((problem: Problem) => void) | undefined;
  /** After each batch. */
  onProgress?: ((report: ImportReport) => void) | undefined;
}

/** What a unit of work stored. */
export interface StoredUsers {
  created: readonly Pick<UserRow, 'id' | 'realm'>[];
  updated: readonly UpdatedUser[];
}

/** Numbers of users, unless they say otherwise. */
export interface ImportReport {
  read: number;
  created: number;
  /** existed, and were left as they were */
  skipped: number;
  updated: number;
  refused: number;
  warnings: number;
  /** created without a factor in the file: they have to enrol */
  withoutFactor: number;
  /** with a secret of fewer than 128 bits */
  weakSecrets: number;
  /** recovery codes that cannot work on this server */
  recoveryCodesLeftOut: number;
}

const NO_KEYS: ReadonlySet<string> = new Set();

interface Numbered {
  line: number;
  checked: CheckedUser;
}

/**
 * Stores users of a file, in batches of one transaction each. If it is interrupted,
 * the next run finds the users of the batches before, and goes on after them.
 */
export class Importer {
  constructor(
    private readonly database: Database,
    private readonly secrets: FactorSecrets,
    private readonly now: () => number,
  ) {}

  /** @throws what the reader or the database throws; the batches before are stored */
  async run(
    entries: AsyncIterable<Entry>,
    options: ImportOptions = {},
  ): Promise<ImportReport> {
    if (!options.dryRun) await prepareForMany(this.database);
    const run = new ImportRun(this.database, this.secrets, this.now, options);
    try {
      for await (const entry of entries) await run.take(entry);
    } finally {
      await run.flush();
    }
    return run.report;
  }
}

/** One run over a file. */
class ImportRun {
  readonly report: ImportReport = {
    read: 0,
    created: 0,
    skipped: 0,
    updated: 0,
    refused: 0,
    warnings: 0,
    withoutFactor: 0,
    weakSecrets: 0,
    recoveryCodesLeftOut: 0,
  };
  private batch: Numbered[] = [];
  private factorsInBatch = 0;
  private readonly seen = new SeenUsers();

  constructor(
    private readonly database: Database,
    private readonly secrets: FactorSecrets,
    private readonly now: () => number,
    private readonly options: ImportOptions,
  ) {}

  async take({ line, user, problem }: Entry): Promise<void> {
    this.report.read += 1;
    if (!user) return this.refuse(line, problem);
    const checked = checkUser(user, this.context());
    if (typeof checked === 'string') return this.refuse(line, checked);
    if (!this.seen.add(checked.user.realm, checked.user.unique_id))
      return this.refuse(line, 'is a user who came earlier in the file');
    this.batch.push({ line, checked });
    this.factorsInBatch += checked.factors.length;
    if (
      this.batch.length >= USERS_AT_ONCE ||
      this.factorsInBatch >= FACTORS_AT_ONCE
    )
      await this.flush();
  }

  /** Stores the users that wait. */
  async flush(): Promise<void> {
    const { batch } = this;
    this.batch = [];
    this.factorsInBatch = 0;
    if (batch.length === 0) return;
    const existing = await findExisting(
      this.database.read,
      batch.map(({ checked }) => checked),
    );
    const isNew = ({ checked }: Numbered) => !existing(checked.user);
    await this.create(batch.filter(isNew));
    await this.skipOrUpdate(
      batch.filter((one) => !isNew(one)),
      existing,
    );
    this.options.onProgress?.(this.report);
  }

  private async create(batch: readonly Numbered[]): Promise<void> {
    if (batch.length === 0) return;
    const users = batch.map(({ checked }) => checked);
    if (this.options.dryRun) return batch.forEach((one) => this.created(one));
    await renewTakenIds(this.database.read, users);
    const keys = recoveryKeysOf(users);
    if (keys.length > 0) await this.options.beforeRecoveryCodes?.(keys);
    const sealed = seal(users, this.secrets);
    const stored = await this.database.unit(async (unit) => {
      const ids = await insert(unit, sealed);
      const created = sealed.users.filter(({ id }) => ids.has(id));
      await this.options.onStored?.(unit, { created, updated: [] });
      return ids;
    }, 'commands');
    const isStored = ({ checked }: Numbered) => stored.has(checked.user.id);
    batch.filter(isStored).forEach((one) => this.created(one));
    // Created by the server since they were looked for.
    await this.skipOrUpdate(
      batch.filter((one) => !isStored(one)),
      () => undefined,
    );
  }

  /** Users who exist. */
  private async skipOrUpdate(
    batch: readonly Numbered[],
    rowOf: (user: UserRow) => UserRow | undefined,
  ): Promise<void> {
    const { existing = 'skip', dryRun } = this.options;
    if (existing === 'fail') {
      for (const { line } of batch) this.refuse(line, 'exists already');
      return;
    }
    const changed = batch.filter(({ checked }) => {
      const row = rowOf(checked.user);
      return !row || changesOf(checked, row).length > 0;
    });
    const updated =
      existing === 'skip'
        ? 0
        : dryRun
          ? changed.length
          : await this.update(changed);
    this.report.updated += updated;
    this.report.skipped += batch.length - updated;
  }

  private async update(batch: readonly Numbered[]): Promise<number> {
    if (batch.length === 0) return 0;
    return await this.database.unit(async (unit) => {
      const updated: UpdatedUser[] = [];
      for (const { checked } of batch) {
        const one = await updateUser(unit, checked);
        if (one) updated.push(one);
      }
      await this.options.onStored?.(unit, { created: [], updated });
      return updated.length;
    }, 'commands');
  }

  private created({ line, checked }: Numbered): void {
    const { report } = this;
    report.created += 1;
    const { factors, warnings, recoveryCodesLeftOut } = checked;
    const apps = factors.filter(({ kind }) => kind === 'totp');
    report.withoutFactor += Number(checked.isWithoutFactor);
    report.weakSecrets += Number(
      apps.some(({ secret }) => secret.length < STRONG_SECRET_BYTES),
    );
    report.recoveryCodesLeftOut += recoveryCodesLeftOut;
    for (const reason of warnings) {
      report.warnings += 1;
      this.options.onWarning?.({ line, reason });
    }
  }

  private refuse(line: number, reason: string): void {
    this.report.refused += 1;
    this.options.onRefused?.({ line, reason });
  }

  private context(): CheckContext {
    const { realm, recoveryKeys } = this.options;
    return {
      realm,
      secrets: this.secrets,
      recoveryKeys: recoveryKeys?.() ?? NO_KEYS,
      now: this.now(),
    };
  }
}
