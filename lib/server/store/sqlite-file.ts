import { closeSync, openSync, realpathSync } from 'node:fs';
import { StartError } from '../settings/start-error.js';
import { PreparingConnection } from './sqlite-connection.js';
import type { SqliteConnection, SqliteDriver } from './sqlite-driver.js';
import { describe, isDamaged } from './sqlite-errors.js';

/** How long to wait at start for another process, blocking. */
const START_BUSY_TIMEOUT_MS = 5_000;
const CACHE_KIB = 32_768;
/** Pages in the log before they are copied to the file, which stops all requests for two fsyncs: 32 MB. */
const CHECKPOINT_PAGES = 8_000;

/** Opens the connection that writes, and creates the file if there is none. @throws StartError */
export function openWriter(
  driver: SqliteDriver,
  file: string,
): PreparingConnection {
  let connection: SqliteConnection | undefined;
  try {
    // Readable by its owner alone; SQLite gives its journals the same mode.
    if (file !== ':memory:') closeSync(openSync(file, 'a', 0o600));
    connection = driver.open(absolute(file), false);
    connection.exec(`pragma busy_timeout = ${START_BUSY_TIMEOUT_MS}`);
    // With WAL, a writer does not block readers.
    connection.exec('pragma journal_mode = WAL');
    // A used code must still be used after a power cut; see `WriteAheadLog`.
    connection.exec('pragma synchronous = FULL');
    connection.exec('pragma foreign_keys = ON');
    connection.exec(`pragma cache_size = -${CACHE_KIB}`);
    connection.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    return new PreparingConnection(connection);
  } catch (error) {
    connection?.close();
    throw new StartError(
      `Option database: ${file} could not be opened: ${describe(error)}${damageHint(error) || '; give a file that this user may write, in a folder that exists'}`,
      { cause: error },
    );
  }
}

/**
 * The path that SQLite uses: its log is beside the file that a link leads to. A
 * relative name that starts with `file:` would be a URI for node:sqlite.
 */
export function absolute(file: string): string {
  return file === ':memory:' ? file : realpathSync(file);
}

/** What to do about a damaged file; empty for any other error. */
export function damageHint(error: unknown): string {
  return isDamaged(error) ? DAMAGED : '';
}

const DAMAGED =
  '; it is damaged, or no SQLite database: restore it from a backup, together with its key file, and delete the files of the same name that end in -wal and -shm';
