import { Kysely, SqliteDialect } from 'kysely';
import type { Queries } from './database.js';
import type { Schema } from './schema.js';
import type { SqliteConnection, SqliteStatement } from './sqlite-driver.js';

/** Prepares each statement once. */
export class PreparingConnection implements SqliteConnection {
  private readonly statements = new Map<string, SqliteStatement>();

  constructor(private readonly connection: SqliteConnection) {}

  prepare(sql: string): SqliteStatement {
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = this.connection.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs a statement without parameters. */
  run(sql: string): void {
    this.prepare(sql).run([]);
  }

  exec(sql: string): void {
    this.connection.exec(sql);
  }

  close(): void {
    this.connection.close();
  }
}

/** The query builder on a connection. @param ready awaited before each statement */
export function queriesOn(
  connection: SqliteConnection,
  ready?: () => Promise<void>,
): Queries {
  const database = {
    prepare(sql: string) {
      const statement = connection.prepare(sql);
      return {
        reader: statement.reader,
        all: (parameters: readonly unknown[]) => statement.all(parameters),
        run: (parameters: readonly unknown[]) => ({
          lastInsertRowid: 0,
          ...statement.run(parameters),
        }),
        // `stream()` is not used.
        iterate: (parameters: readonly unknown[]) =>
          statement.all(parameters)[Symbol.iterator](),
      };
    },
    close: () => undefined,
  };
  const dialect = new SqliteDialect({ database });
  if (!ready) return new Kysely<Schema>({ dialect });
  const createDriver = dialect.createDriver.bind(dialect);
  dialect.createDriver = () => {
    const driver = createDriver();
    const acquire = driver.acquireConnection.bind(driver);
    driver.acquireConnection = async () => {
      await ready();
      return await acquire();
    };
    return driver;
  };
  return new Kysely<Schema>({ dialect });
}
