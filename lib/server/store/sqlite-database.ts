import { StartError } from '../settings/start-error.js';
import type { Database, DatabaseLoad, Queries, Unit } from './database.js';
import { PreparingConnection, queriesOn } from './sqlite-connection.js';
import { describe, isBusy, unavailable } from './sqlite-errors.js';
import { loadSqliteDriver } from './sqlite-driver.js';
import { absolute, damageHint, openWriter } from './sqlite-file.js';
import { WriteAheadLog } from './write-ahead-log.js';

/** How long a unit waits for another process: less than a client waits for an answer. */
const LOCK_WAIT_MS = 4_000;
const LOCK_RETRY_MS = 10;
/** Units that share one commit at most. */
const MAX_UNITS = 64;

interface Job {
  /** When to give up waiting for another process; compares to `performance.now()`. */
  deadline: number;
  work: (unit: Unit) => Promise<unknown>;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

/**
 * SQLite: one connection writes, another one reads.
 *
 * Units that wait share one commit. In WAL mode a commit only appends to the log,
 * and the log is then synchronized by a thread of Node's pool, before the answers
 * leave: as durable as `synchronous = FULL`, without stopping all other requests
 * for the time of an fsync.
 */
export class SqliteDatabase implements Database {
  readonly parallelUnits = 1;
  readonly read: Queries;
  private readonly unitOfWork: Unit;
  private waiting: Job[] = [];
  /** Resolves once no unit waits or runs. */
  private running: Promise<void> | undefined;
  private idle: Promise<void> = Promise.resolve();
  private closing: Promise<void> | undefined;
  private openSnapshots = 0;

  private constructor(
    readonly description: string,
    private readonly writer: PreparingConnection,
    private readonly reader: PreparingConnection,
    /** `undefined` if SQLite synchronizes by itself. */
    private readonly log: WriteAheadLog | undefined,
  ) {
    const db = queriesOn(writer);
    this.unitOfWork = {
      dialect: 'sqlite',
      db,
      all: async <Row>(sql: string, parameters: readonly unknown[]) =>
        writer.prepare(sql).all(parameters) as Row[],
      run: async (sql: string, parameters: readonly unknown[]) =>
        Number(writer.prepare(sql).run(parameters).changes),
    };
    this.read =
      reader === writer
        ? // A database in memory has one connection: its reads wait for the units.
          queriesOn(writer, () => this.idle)
        : queriesOn(reader);
  }

  /**
   * Opens a file, or `:memory:`, and migrates it.
   *
   * @throws StartError if it cannot be opened or migrated
   */
  static async open(
    file: string,
    migrate: (db: Queries) => Promise<void>,
  ): Promise<SqliteDatabase> {
    const driver = await loadSqliteDriver();
    const writer = openWriter(driver, file);
    const description = `${file} (${driver.name})`;
    let reader = writer;
    try {
      // All migrations or none, in one process at a time; Kysely ensures neither for SQLite.
      writer.exec('begin immediate');
      await migrate(queriesOn(writer));
      writer.exec('commit');
      writer.exec('pragma busy_timeout = 0');
      if (file === ':memory:')
        return new SqliteDatabase(description, writer, writer, undefined);
      reader = new PreparingConnection(driver.open(absolute(file), true));
      reader.exec('pragma busy_timeout = 100');
      const log = WriteAheadLog.open(file, writer);
      return new SqliteDatabase(description, writer, reader, log);
    } catch (error) {
      if (reader !== writer) reader.close();
      writer.close();
      if (error instanceof StartError) throw error;
      throw new StartError(
        `The database ${file} could not be migrated: ${describe(error)}${damageHint(error)}`,
        { cause: error },
      );
    }
  }

  unit<Result>(work: (unit: Unit) => Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.waiting.push({
        deadline: performance.now() + LOCK_WAIT_MS,
        work,
        resolve: resolve as (result: unknown) => void,
        reject,
      });
      this.running ??= this.runAll();
    });
  }

  async snapshot<Result>(
    work: (db: Queries) => Promise<Result>,
  ): Promise<Result> {
    // In memory there is one connection.
    if (this.reader === this.writer) return this.unit(({ db }) => work(db));
    // Snapshots that overlap are of the same moment: they take no turn of the event loop.
    if (this.openSnapshots === 0) this.reader.run('begin');
    this.openSnapshots += 1;
    try {
      return await work(this.read);
    } finally {
      this.openSnapshots -= 1;
      if (this.openSnapshots === 0) this.endSnapshot();
    }
  }

  private endSnapshot(): void {
    try {
      this.reader.run('commit');
    } catch {
      // SQLite has ended it by itself: after a read error, for example.
    }
  }

  load(): DatabaseLoad {
    return { waiting: this.waiting.length };
  }

  /** After the units that wait. Once: a file descriptor that is closed twice may be another file's. */
  close(): Promise<void> {
    return (this.closing ??= this.closeAll());
  }

  private async closeAll(): Promise<void> {
    await this.running;
    this.log?.close();
    if (this.reader !== this.writer) this.reader.close();
    this.writer.close();
  }

  private async runAll(): Promise<void> {
    // Not at once: the requests that arrived with the first one share its commit.
    await nextTurn();
    while (this.waiting.length > 0) {
      if (await this.begin())
        await this.runBatch(this.waiting.splice(0, MAX_UNITS));
      // Reads of a database in memory take their turn between two transactions.
      await nextTurn();
    }
    this.running = undefined;
  }

  private async runBatch(jobs: Job[]): Promise<void> {
    let settle!: () => void;
    this.idle = new Promise((resolve) => (settle = resolve));
    try {
      const tellAll = await this.runTogether(jobs);
      // A database in memory may be read from here on.
      settle();
      await this.log?.synchronize();
      tellAll();
    } catch (error) {
      settle();
      for (const { reject } of jobs) reject(error);
    }
  }

  /** @returns a function that tells the callers, once the commit is durable */
  private async runTogether(jobs: Job[]): Promise<() => void> {
    const settled: (() => void)[] = [];
    try {
      // A unit that is alone is undone with its transaction.
      const isShared = jobs.length > 1;
      for (const { work, resolve, reject } of jobs) {
        if (isShared) this.writer.run('savepoint unit');
        try {
          const result = await work(this.unitOfWork);
          if (isShared) this.writer.run('release unit');
          settled.push(() => resolve(result));
        } catch (error) {
          if (!isShared || !this.undoUnit()) throw error;
          settled.push(() => reject(error));
        }
      }
      this.writer.run('commit');
    } catch (error) {
      this.rollBack();
      throw error;
    }
    return () => {
      for (const tell of settled) tell();
    };
  }

  /**
   * Begins a transaction, or waits for another process without stopping this one.
   *
   * @returns `false` if it did not begin; units that waited too long are rejected
   */
  private async begin(): Promise<boolean> {
    try {
      this.writer.run('begin immediate');
      return true;
    } catch (error) {
      const now = performance.now();
      const isOver = ({ deadline }: Job) => !isBusy(error) || now >= deadline;
      const over = this.waiting.filter(isOver);
      this.waiting = this.waiting.filter((job) => !isOver(job));
      for (const { reject } of over) reject(unavailable(error));
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
      return false;
    }
  }

  /** @returns `false` if SQLite has undone the whole transaction by itself: after a full disk, for example */
  private undoUnit(): boolean {
    try {
      this.writer.run('rollback to unit');
      this.writer.run('release unit');
      return true;
    } catch {
      return false;
    }
  }

  private rollBack(): void {
    try {
      this.writer.run('rollback');
    } catch {
      // SQLite has rolled back by itself.
    }
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
