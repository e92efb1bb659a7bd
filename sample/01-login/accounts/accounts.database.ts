import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { StartError } from 'nestjs-gauthify/server';

/** Injection token of the accounts' database. */
export const ACCOUNTS_DATABASE = Symbol('ACCOUNTS_DATABASE');

/**
 * Opens `accounts.sqlite`.
 *
 * @throws StartError where it cannot be opened
 */
export function openAccounts(dataDir: string): BetterSqlite3.Database {
  try {
    const file = join(dataDir, 'accounts.sqlite');
    // Hashes of passwords: for nobody else on this machine.
    closeSync(openSync(file, 'a', 0o600));
    const database = new BetterSqlite3(file);
    database.pragma('journal_mode = WAL');
    database.exec(`
      CREATE TABLE IF NOT EXISTS accounts (
        id TEXT PRIMARY KEY,
        login TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        password TEXT NOT NULL,
        email TEXT,
        phone TEXT,
        enrolled INTEGER NOT NULL DEFAULT 0
      ) STRICT`);
    return database;
  } catch (error) {
    throw new StartError(
      `accounts.sqlite in DATA_DIR could not be opened: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
