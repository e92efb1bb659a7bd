import { closeSync, openSync } from 'node:fs';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import BetterSqlite3 from 'better-sqlite3';
import { sqliteFile } from '../settings/sqlite-file.js';
import { StartError } from '../settings/start-error.js';
import { MIGRATIONS } from './migrations.js';
import { DATABASE, type Database, type Schema } from './schema.js';

const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the database and migrates it to the newest schema.
 *
 * @throws StartError if the file cannot be opened, is not a SQLite database, or a migration fails
 */
export async function openDatabase(url: string): Promise<Database> {
  const file = sqliteFile(url);
  const sqlite = openSqlite(file);
  const db = new Kysely<Schema>({
    dialect: new SqliteDialect({ database: sqlite }),
  });
  try {
    await migrate(db, sqlite);
  } catch (error) {
    await db.destroy();
    throw new StartError(
      `The database ${file} could not be migrated: ${describe(error)}`,
      { cause: error },
    );
  }
  return db;
}

/** Closes the database once the HTTP server has answered its last request. */
@Injectable()
export class DatabaseLifecycle implements OnApplicationShutdown {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async onApplicationShutdown(): Promise<void> {
    await this.db.destroy();
  }
}

/**
 * Runs all migrations or none, in one process at a time. For SQLite, Kysely
 * ensures neither. The migrations run on the only connection, and so inside this
 * transaction.
 */
async function migrate(
  db: Database,
  sqlite: BetterSqlite3.Database,
): Promise<void> {
  sqlite.exec('begin immediate');
  try {
    const { error } = await new Migrator({
      db,
      provider: { getMigrations: async () => MIGRATIONS },
    }).migrateToLatest();
    if (error) throw error as Error;
    sqlite.exec('commit');
  } catch (error) {
    if (sqlite.inTransaction) sqlite.exec('rollback');
    throw error;
  }
}

function openSqlite(file: string): BetterSqlite3.Database {
  // Before the file is created: an error here has nothing to do with the file.
  loadNativeBinary();
  let sqlite: BetterSqlite3.Database | undefined;
  try {
    // Readable by its owner alone; SQLite gives its journals the same mode.
    if (file !== ':memory:') closeSync(openSync(file, 'a', 0o600));
    sqlite = new BetterSqlite3(file, { timeout: BUSY_TIMEOUT_MS });
    // With WAL, a writer does not block readers. `synchronous` stays FULL: a used
    // code must still be used after a power cut.
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = FULL');
    sqlite.pragma('foreign_keys = ON');
    return sqlite;
  } catch (error) {
    sqlite?.close();
    throw new StartError(
      `DATABASE_URL (option database): ${file} could not be opened: ${describe(error)}; give a file that this user may write, in a folder that exists`,
      { cause: error },
    );
  }
}

/** better-sqlite3 loads its binary when the first database is opened. */
function loadNativeBinary(): void {
  try {
    new BetterSqlite3(':memory:').close();
  } catch (error) {
    throw new StartError(
      `better-sqlite3 has no native binary for Node ${process.version} on ${process.platform} ${process.arch}: run npm rebuild better-sqlite3, with its install script allowed (${describe(error).split('\n', 1)[0]})`,
      { cause: error },
    );
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
