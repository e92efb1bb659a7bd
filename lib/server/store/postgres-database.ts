import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import { StartError } from '../settings/start-error.js';
import type {
  Database,
  DatabaseLoad,
  Lane,
  Queries,
  Unit,
} from './database.js';
import {
  LOCAL_TIMEOUTS,
  type PostgresConnection,
  PostgresConnections,
  poolOf,
} from './postgres-connections.js';
import type { Schema } from './schema.js';

type RunQuery = PostgresConnection['query'];

/** Connections for units of ordinary calls. */
const CALL_CONNECTIONS = 6;
/** Connections for checks and reads. Two batches and three checks alone leave some for reads. */
const CHECK_CONNECTIONS = 8;
/** A command does one thing after the other. */
const COMMAND_CONNECTIONS = 1;

/** PostgreSQL, by pooled connections with prepared statements. */
export class PostgresDatabase implements Database {
  /** More would wait for the same CPU; fewer would wait for the network. */
  readonly parallelUnits = 2;
  readonly read: Queries;

  private closing: Promise<void> | undefined;

  private constructor(
    readonly description: string,
    private readonly connections: Record<Lane, PostgresConnections>,
  ) {
    // Each statement on a connection of its own.
    this.read = queriesBy((sql, parameters) =>
      connections.checks.use((connection) => connection.query(sql, parameters)),
    );
  }

  /**
   * Connects, and migrates.
   *
   * @param url `postgres://user:password@host:port/database`, with `sslmode` and the other parameters of `pg`
   * @throws StartError if it cannot connect, or a migration fails
   */
  static async open(
    url: string,
    migrate: (db: Queries) => Promise<void>,
  ): Promise<PostgresDatabase> {
    const place = placeOf(url);
    const checks = new PostgresConnections(url, CHECK_CONNECTIONS);
    try {
      await checks.use((connection) => connection.query('select 1', []));
    } catch (error) {
      await checks.close();
      throw new StartError(
        `Option database: PostgreSQL at ${place} could not be reached: ${describe(error)}`,
        { cause: error },
      );
    }
    try {
      await migrateAlone(url, migrate);
    } catch (error) {
      await checks.close();
      if (error instanceof StartError) throw error;
      throw new StartError(
        `The database at ${place} could not be migrated: ${describe(error)}`,
        { cause: error },
      );
    }
    const calls = new PostgresConnections(url, CALL_CONNECTIONS);
    const commands = new PostgresConnections(url, COMMAND_CONNECTIONS, {
      hasTimeouts: false,
    });
    return new PostgresDatabase(`PostgreSQL at ${place}`, {
      checks,
      calls,
      commands,
    });
  }

  unit<Result>(
    work: (unit: Unit) => Promise<Result>,
    lane: Lane = 'calls',
  ): Promise<Result> {
    // What a command changes is locked for others no longer than usual.
    const begin = lane === 'commands' ? `begin; ${LOCAL_TIMEOUTS}` : 'begin';
    return this.transaction(lane, begin, (connection) =>
      work(unitOn(connection)),
    );
  }

  snapshot<Result>(
    work: (db: Queries) => Promise<Result>,
    lane: Lane = 'checks',
  ): Promise<Result> {
    return this.transaction(
      lane,
      'begin isolation level repeatable read, read only',
      (connection) => work(unitOn(connection).db),
    );
  }

  private transaction<Result>(
    lane: Lane,
    begin: string,
    work: (connection: PostgresConnection) => Promise<Result>,
  ): Promise<Result> {
    return this.connections[lane].use(async (connection) => {
      try {
        await connection.run({ text: begin });
        const result = await work(connection);
        const { command } = await connection.run({ text: 'commit' });
        // PostgreSQL undoes a transaction in which a statement has failed, without an error.
        if (command !== 'COMMIT')
          throw new Error('A statement failed, and the unit went on');
        return result;
      } catch (error) {
        // A connection that is lost is closed; PostgreSQL undoes its transaction.
        if (!connection.failure)
          await connection
            .run({ text: 'rollback' })
            .catch((failure: Error) => (connection.failure ??= failure));
        throw error;
      }
    });
  }

  load(): DatabaseLoad {
    const loads = Object.values(this.connections).map((pool) => pool.load());
    const sum = (of: (load: Required<DatabaseLoad>) => number) =>
      loads.reduce((total, load) => total + of(load), 0);
    return {
      waiting: sum(({ waiting }) => waiting),
      connections: {
        used: sum(({ connections }) => connections.used),
        idle: sum(({ connections }) => connections.idle),
      },
    };
  }

  close(): Promise<void> {
    return (this.closing ??= this.closeAll());
  }

  private async closeAll(): Promise<void> {
    await Promise.all(
      Object.values(this.connections).map((pool) => pool.close()),
    );
  }
}

/** A connection of its own: a migration may take longer than the time-outs of a request. */
async function migrateAlone(
  url: string,
  migrate: (db: Queries) => Promise<void>,
): Promise<void> {
  const pool = poolOf({ connectionString: url, max: 1 });
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(db);
  } finally {
    await db.destroy();
  }
}

function unitOn(connection: PostgresConnection): Unit {
  let db: Queries | undefined;
  return {
    dialect: 'postgres',
    // Made only if it is used: checks do without.
    get db() {
      return (db ??= queriesBy((sql, parameters) =>
        connection.query(sql, parameters),
      ));
    },
    all: async <Row>(sql: string, parameters: readonly unknown[]) =>
      (await connection.query(sql, parameters)).rows as Row[],
    run: async (sql: string, parameters: readonly unknown[]) =>
      (await connection.query(sql, parameters)).rowCount ?? 0,
  };
}

/** The query builder, with a function that runs its statements. */
function queriesBy(query: RunQuery): Queries {
  const connection = { query: query as never, release: () => undefined };
  const pool: PostgresPool = {
    connect: () => Promise.resolve(connection),
    end: () => Promise.resolve(),
  };
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
}

/** Host and database, without user and password. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host || 'localhost'}${pathname}`;
}

/** What the driver said. With several addresses, `pg` gives an AggregateError without a message. */
function describe(error: unknown): string {
  const { message, code, cause } = error as NodeJS.ErrnoException;
  return cause instanceof Error
    ? describe(cause)
    : message || code || String(error);
}
