import { closeSync, openSync } from 'node:fs';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import BetterSqlite3 from 'better-sqlite3';
import { sqliteFile } from '../settings/sqlite-file.js';
import { StartError } from '../settings/start-error.js';
import { MIGRATIONS } from './migrations.js';
import type { Database, Schema } from './schema.js';

const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the database and brings it to the newest schema.
 *
 * @throws StartError where the file cannot be opened, is no SQLite database, or a migration fails
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

/**
 * All migrations or none, by one program at a time: Kysely leaves both to the
 * database, and SQLite to us. The one connection there is makes the statements
 * of the migrations part of this transaction.
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
  // Before there is a file: this is no fault of the file's.
  loadNativeBinary();
  let sqlite: BetterSqlite3.Database | undefined;
  try {
    // For its owner alone; SQLite gives its journals the same mode.
    if (file !== ':memory:') closeSync(openSync(file, 'a', 0o600));
    sqlite = new BetterSqlite3(file, { timeout: BUSY_TIMEOUT_MS });
    // WAL lets readers go on while one writes. `synchronous` stays FULL: a used
    // code must still be used after a power cut.
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = FULL');
    sqlite.pragma('foreign_keys = ON');
    return sqlite;
  } catch (error) {
    sqlite?.close();
    throw new StartError(
      `DATABASE_URL (option database): ${file} could not be opened: ${describe(error)}`,
      { cause: error },
    );
  }
}

/** better-sqlite3 loads its binary at the first database. */
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
