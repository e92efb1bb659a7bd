import { StartError } from '../settings/start-error.js';

/** What the store needs of SQLite. Each driver is one file. */
export interface SqliteConnection {
  prepare(sql: string): SqliteStatement;
  /** Runs statements without parameters or results. */
  exec(sql: string): void;
  close(): void;
}

/** A prepared statement; parameters are `?`. */
export interface SqliteStatement {
  /** Whether it returns rows. */
  readonly reader: boolean;
  all(parameters: readonly unknown[]): unknown[];
  run(parameters: readonly unknown[]): { changes: number | bigint };
}

export interface SqliteDriver {
  /** Shown when the program starts. */
  readonly name: string;
  /** @param readOnly refuses every write */
  open(file: string, readOnly: boolean): SqliteConnection;
}

/**
 * The driver to use: better-sqlite3 if it is installed and its binary fits, else
 * `node:sqlite`, which Node contains from 22.13 on. Loaded here, so that only the
 * driver in use has to be there. Both write the same files.
 *
 * @throws StartError if there is neither
 */
export async function loadSqliteDriver(): Promise<SqliteDriver> {
  try {
    return (await import('./better-sqlite3.js')).loadBetterSqlite3();
  } catch (error) {
    if (hasNodeSqlite()) return (await import('./node-sqlite.js')).NODE_SQLITE;
    if (error instanceof StartError) throw error;
    throw new StartError(
      `SQLite needs the package better-sqlite3 on Node ${process.version}: run npm install better-sqlite3@12, or use Node 22.13 or newer, which contains SQLite`,
      { cause: error },
    );
  }
}

/** Node 22.5 to 22.12 have the module only behind a flag. */
export function hasNodeSqlite(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 13);
}
