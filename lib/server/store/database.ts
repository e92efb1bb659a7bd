import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { InFlight } from './in-flight.js';
import type { Schema } from './schema.js';

/** Statements by the query builder, in a unit of work or outside of one. */
export type Queries = Kysely<Schema>;

/** One transaction. */
export interface Unit {
  /** Which SQL it speaks. */
  readonly dialect: 'sqlite' | 'postgres';
  /** The query builder: for statements that few requests run. */
  readonly db: Queries;
  /**
   * Runs a statement that is prepared once, and returns its rows. Parameters are
   * `?` on SQLite, `$1` on PostgreSQL.
   */
  all<Row>(sql: string, parameters: readonly unknown[]): Promise<Row[]>;
  /** Runs a statement likewise, and returns how many rows it changed. */
  run(sql: string, parameters: readonly unknown[]): Promise<number>;
}

/**
 * Who needs a connection: a check, any other call, or the command of an operator.
 * Calls that wait for a locked user must not take the connections that checks need.
 * The work of a command may take hours: it has no time-out.
 */
export type Lane = 'calls' | 'checks' | 'commands';

/**
 * The database. All that one request decides is one unit of work: it happens
 * completely or not at all, and it is durable before the answer leaves.
 */
export interface Database {
  /** Driver and place, for people: shown when the program starts. */
  readonly description: string;
  /** Reads that belong to no unit. They never wait for a writer, and see what is committed. */
  readonly read: Queries;
  /**
   * Runs reads that belong together: all of them see the database at the same moment. They may run again.
   *
   * @param lane whose connections it uses. @default 'checks'
   */
  snapshot<Result>(
    work: (db: Queries) => Promise<Result>,
    lane?: Lane,
  ): Promise<Result>;
  /** How many units of checks may run at the same time. */
  readonly parallelUnits: number;
  /**
   * Runs a unit of work: commits if it resolves, and undoes everything if it
   * rejects. It may run again if the database had to cancel it, so it must do
   * nothing but use the database. Units that wait at the same time may share one
   * commit.
   *
   * @param lane whose connections it uses. @default 'calls'
   * @returns what the work returned, after the commit
   * @throws what the work threw, or ServerError if the database did not become available in time
   */
  unit<Result>(
    work: (unit: Unit) => Promise<Result>,
    lane?: Lane,
  ): Promise<Result>;
  /** What it is busy with at this moment. */
  load(): DatabaseLoad;
  close(): Promise<void>;
}

/** What a database is busy with. */
export interface DatabaseLoad {
  /** Units of work that wait for the writer (SQLite), or that and reads that wait for a connection (PostgreSQL). */
  waiting: number;
  /** Connections to PostgreSQL. */
  connections?: { used: number; idle: number };
}

/** Injection token of the {@link Database}. */
export const DATABASE = Symbol('GAUTHIFY_DATABASE');

/** Closes the database once the HTTP server has answered its last request, and the messages of clients that hung up are sent. */
@Injectable()
export class DatabaseLifecycle implements OnApplicationShutdown {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly inFlight: InFlight,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.inFlight.settled();
    await this.database.close();
  }
}
