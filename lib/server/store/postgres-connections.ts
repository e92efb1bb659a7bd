import pg from 'pg';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import type { DatabaseLoad } from './database.js';

// All below the 5 s that a client waits for an answer, so that it hears of a failure.
const CONNECT_TIMEOUT_MS = 3_000;
/** All statements of a unit of work, its repetitions included. */
const UNIT_TIMEOUT_MS = 4_500;
const STATEMENT_TIMEOUT_MS = 4_000;
/** Twice of it fit into a client's time: checks that fail together are repeated one by one. */
const LOCK_TIMEOUT_MS = 2_000;
/** An instance that hangs within a unit of work must not keep its users locked. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;
/** Those that keep locks short, for one transaction on a connection without time-outs. */
export const LOCAL_TIMEOUTS = `set local lock_timeout = ${LOCK_TIMEOUT_MS}; set local idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS}`;
/** How often work is repeated after PostgreSQL cancelled it for the sake of another unit. */
const RETRIES = 3;

// Error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
/** The server became a standby: what stands in its place is reached by a new connection. */
const READ_ONLY_SQL_TRANSACTION = '25006';
/** "cached plan must not change result type": a newer instance added a column. */
const FEATURE_NOT_SUPPORTED = '0A000';

/** A text contains U+0000, which PostgreSQL cannot store. */
const CHARACTER_NOT_IN_REPERTOIRE = '22021';

/** A pool of connections that replaces those that are of no use any more. */
export class PostgresConnections {
  private readonly pool: pg.Pool;
  /** Connections of an earlier generation are closed instead of used. */
  private generation = 0;
  private readonly generations = new WeakMap<pg.PoolClient, number>();
  private readonly unitTimeoutMs: number;

  /**
   * @param max connections
   * @param hasTimeouts whether work that takes long is given up
   */
  constructor(url: string, max: number, { hasTimeouts = true } = {}) {
    this.unitTimeoutMs = hasTimeouts ? UNIT_TIMEOUT_MS : Infinity;
    this.pool = poolOf({
      connectionString: url,
      max,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      ...(hasTimeouts && {
        statement_timeout: STATEMENT_TIMEOUT_MS,
        lock_timeout: LOCK_TIMEOUT_MS,
        idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      }),
    });
    this.pool.on('connect', (client) =>
      this.generations.set(client, this.generation),
    );
  }

  /**
   * Gives the work a connection. Repeats the work if PostgreSQL cancelled it, or if
   * the connection has to be replaced: then it had no effect.
   *
   * @throws what the work threw, or ServerError if PostgreSQL could not be reached in time
   */
  async use<Result>(
    work: (connection: PostgresConnection) => Promise<Result>,
  ): Promise<Result> {
    const until = performance.now() + this.unitTimeoutMs;
    for (let attempt = 0; ; attempt++) {
      const client = await this.connect();
      const connection = new PostgresConnection(client, until);
      try {
        return await work(connection);
      } catch (error) {
        const isOutdated = connection.isOutdated(error);
        // Only the first of several units that notice it at the same time.
        if (isOutdated && this.generations.get(client) === this.generation)
          this.generation += 1;
        const retries = isOutdated ? 1 : isCancelled(error) ? RETRIES : 0;
        if (attempt < retries && performance.now() < until) continue;
        throw error === connection.failure ? unreachable(error) : error;
      } finally {
        // A connection that failed is closed, and the pool opens another one.
        client.release(connection.failure);
      }
    }
  }

  load(): Required<DatabaseLoad> {
    const { totalCount, idleCount, waitingCount } = this.pool;
    const connections = { used: totalCount - idleCount, idle: idleCount };
    return { waiting: waitingCount, connections };
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async connect(): Promise<pg.PoolClient> {
    for (;;) {
      let client: pg.PoolClient;
      try {
        client = await this.pool.connect();
      } catch (error) {
        throw unreachable(error);
      }
      if (this.generations.get(client) === this.generation) return client;
      client.release(true);
    }
  }
}

/** A connection while it is in use. */
export class PostgresConnection {
  /** Set once the connection must not be used again. */
  failure: Error | undefined;
  private hasAnswered = false;

  constructor(
    private readonly client: pg.PoolClient,
    /** When the statements must have ended, by `performance.now()`; may be `Infinity`. */
    private readonly until: number,
  ) {}

  /**
   * Whether all connections of the same age are to be replaced, and the work can be
   * repeated: PostgreSQL carried out nothing of it.
   */
  isOutdated(error: unknown): boolean {
    return (
      error === this.failure && (!this.hasAnswered || isReplaceable(error))
    );
  }

  /** Runs a statement under a name, so that PostgreSQL parses it once a connection. */
  query(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    return this.run({ name: nameOf(text), text, values: values as unknown[] });
  }

  /**
   * Runs a statement that is not prepared.
   *
   * @throws ParameterError if a parameter contains U+0000
   */
  async run(config: pg.QueryConfig): Promise<pg.QueryResult> {
    try {
      const result = await this.client.query({
        ...config,
        // For a server that is silent; `statement_timeout` is the server's own.
        // Not before the end: the work would be repeated.
        query_timeout: Number.isFinite(this.until)
          ? Math.max(0, Math.ceil(this.until - performance.now())) + 1
          : undefined,
      } as pg.QueryConfig);
      this.hasAnswered = true;
      return result;
    } catch (error) {
      if (isLost(error) || isReplaceable(error))
        this.failure ??= error as Error;
      if (codeOf(error) === CHARACTER_NOT_IN_REPERTOIRE)
        throw new ParameterError('The request contains the character U+0000');
      throw error;
    }
  }
}

/**
 * Whether the connections of this time are to be replaced: by those to the primary,
 * or by those whose statements know of a new column.
 */
function isReplaceable(error: unknown): boolean {
  const code = codeOf(error);
  return code === READ_ONLY_SQL_TRANSACTION || code === FEATURE_NOT_SUPPORTED;
}

const NUMBERS: readonly number[] = [
  pg.types.builtins.INT8,
  pg.types.builtins.NUMERIC,
];

/** A pool whose broken connections do not end the process. */
export function poolOf(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({
    ...config,
    // Counts and times are below 2^53; `pg` would make strings of them.
    types: {
      getTypeParser: ((id: number) =>
        NUMBERS.includes(id)
          ? Number
          : (pg.types.getTypeParser(
              id,
            ) as unknown)) as typeof pg.types.getTypeParser,
    },
  });
  // A connection that breaks while idle is removed by the pool; while in use, its
  // statement fails. Without listeners, either would end the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

const names = new Map<string, string>();

function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `gauthify_${names.size}`;
    names.set(text, name);
  }
  return name;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

function isCancelled(error: unknown): boolean {
  const code = codeOf(error);
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
}

/** Whether the connection is gone or silent, or the server is shutting down: 08 and 57P are the classes of those errors. */
function isLost(error: unknown): boolean {
  return (
    !(error instanceof pg.DatabaseError) || /^(08|57P)/.test(error.code ?? '')
  );
}

function unreachable(cause: unknown): ServerError {
  return new ServerError('The database could not be reached: try again', {
    errorCode: '500',
    cause,
  });
}
