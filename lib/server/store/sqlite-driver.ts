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
 * The driver to use: `node:sqlite` where Node has it (22.13 and newer),
 * better-sqlite3 elsewhere. Loaded here, so that only the driver in use has to
 * be installed.
 *
 * @throws StartError if neither works
 */
export async function loadSqliteDriver(): Promise<SqliteDriver> {
  if (hasNodeSqlite()) return (await import('./node-sqlite.js')).NODE_SQLITE;
  try {
    return (await import('./better-sqlite3.js')).loadBetterSqlite3();
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      `A SQLite database needs Node 22.13 or newer, which contains SQLite, or the package better-sqlite3; this is Node ${process.version}: run npm install better-sqlite3`,
      { cause: error },
    );
  }
}

/** Node 22.5 to 22.12 have the module only behind a flag. */
function hasNodeSqlite(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 13);
}
