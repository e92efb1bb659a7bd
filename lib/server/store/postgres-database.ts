import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import pg from 'pg';
import { ServerError } from '../../contract/errors/server.error.js';
import { StartError } from '../settings/start-error.js';
import type { Database, Queries, Unit } from './database.js';
import type { Schema } from './schema.js';

/** Connections of one instance. */
const POOL_SIZE = 10;
/** Below the time a client waits for an answer, so that it hears of a failure. */
const CONNECT_TIMEOUT_MS = 3_000;
const LOCK_TIMEOUT_MS = 3_500;
const STATEMENT_TIMEOUT_MS = 4_000;
/** How often a unit is run again after PostgreSQL cancelled it for the sake of another one. */
const RETRIES = 3;

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';

/** PostgreSQL, by pooled connections with prepared statements. */
export class PostgresDatabase implements Database {
  /** More would wait for the same CPU; fewer would wait for the network. */
  readonly parallelUnits = 2;

  private constructor(
    readonly description: string,
    readonly read: Queries,
    private readonly pool: pg.Pool,
  ) {}

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
    const pool = poolOf(url);
    const read = new Kysely<Schema>({
      dialect: new PostgresDialect({ pool: prepared(pool) }),
    });
    try {
      await pool.query('select 1');
    } catch (error) {
      await pool.end();
      throw new StartError(
        `Option database: PostgreSQL at ${placeOf(url)} could not be reached: ${describe(error)}`,
        { cause: error },
      );
    }
    try {
      await migrateAlone(url, migrate);
    } catch (error) {
      await pool.end();
      throw new StartError(
        `The database at ${placeOf(url)} could not be migrated: ${describe(error)}`,
        { cause: error },
      );
    }
    return new PostgresDatabase(`PostgreSQL at ${placeOf(url)}`, read, pool);
  }

  async unit<Result>(work: (unit: Unit) => Promise<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt++)
      try {
        return await this.once(work);
      } catch (error) {
        const { code } = (error ?? {}) as { code?: unknown };
        const isCancelled =
          code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
        if (!isCancelled || attempt === RETRIES) throw error;
      }
  }

  async close(): Promise<void> {
    await this.read.destroy();
  }

  private async once<Result>(
    work: (unit: Unit) => Promise<Result>,
  ): Promise<Result> {
    const client = await this.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await work(unitOn(client));
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
      throw error;
    } finally {
      // A connection that failed is closed, and the pool opens another one.
      client.release(broken);
    }
  }

  private async connect(): Promise<pg.PoolClient> {
    try {
      return await this.pool.connect();
    } catch (error) {
      throw new ServerError('The database could not be reached: try again', {
        errorCode: '500',
        cause: error,
      });
    }
  }
}

function poolOf(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    // Counts and times are below 2^53; `pg` would make strings of them.
    types: {
      getTypeParser: ((id: number, format: 'text') =>
        id === pg.types.builtins.INT8 || id === pg.types.builtins.NUMERIC
          ? Number
          : pg.types.getTypeParser(
              id,
              format,
            )) as typeof pg.types.getTypeParser,
    },
  });
  // A connection that breaks while idle is removed by the pool; while in use, its
  // statement fails. Without listeners, either would end the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** A connection of its own: a migration may take longer than the time-outs of a request. */
async function migrateAlone(
  url: string,
  migrate: (db: Queries) => Promise<void>,
): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(db);
  } finally {
    await db.destroy();
  }
}

/** A pool for the query builder, whose statements are prepared once a connection. */
function prepared(pool: pg.Pool): PostgresPool {
  return {
    connect: async () => {
      const client = await pool.connect();
      return {
        query: ((sql: string, parameters: readonly unknown[]) =>
          query(client, sql, parameters)) as never,
        release: () => client.release(),
      };
    },
    end: () => pool.end(),
  };
}

function unitOn(client: pg.PoolClient): Unit {
  const connection: PostgresPool = {
    connect: () =>
      Promise.resolve({
        query: ((sql: string, parameters: readonly unknown[]) =>
          query(client, sql, parameters)) as never,
        release: () => undefined,
      }),
    end: () => Promise.resolve(),
  };
  let db: Queries | undefined;
  return {
    dialect: 'postgres',
    // Made only if it is used: checks do without.
    get db() {
      return (db ??= new Kysely<Schema>({
        dialect: new PostgresDialect({ pool: connection }),
      }));
    },
    all: async <Row>(sql: string, parameters: readonly unknown[]) =>
      (await query(client, sql, parameters)).rows as Row[],
    run: async (sql: string, parameters: readonly unknown[]) =>
      (await query(client, sql, parameters)).rowCount ?? 0,
  };
}

const names = new Map<string, string>();

/** Runs a statement under a name, so that PostgreSQL parses it once a connection. */
function query(
  client: pg.PoolClient,
  text: string,
  values: readonly unknown[],
): Promise<pg.QueryResult> {
  let name = names.get(text);
  if (name === undefined) {
    name = `gauthify_${names.size}`;
    names.set(text, name);
  }
  return client.query({ name, text, values: values as unknown[] });
}

/** Host and database, without user and password. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host || 'localhost'}${pathname}`;
}

function describe(error: unknown): string {
  // With several addresses, `pg` gives an AggregateError without a message.
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}
