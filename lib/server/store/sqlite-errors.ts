import { ServerError } from '../../contract/errors/server.error.js';
/** Whether another connection holds the lock. */
export const isBusy = (error: unknown) => hasCode(error, 'SQLITE_BUSY', 5);

/** Whether the file is damaged, or no database. */
export const isDamaged = (error: unknown) =>
  hasCode(error, 'SQLITE_NOTADB', 26) || hasCode(error, 'SQLITE_CORRUPT', 11);

/** better-sqlite3 gives the code by name, node:sqlite by number. */
function hasCode(error: unknown, name: string, number: number): boolean {
  const { code, errcode } = (error ?? {}) as {
    code?: unknown;
    errcode?: unknown;
  };
  return (
    (typeof code === 'string' && code.startsWith(name)) ||
    // The lowest byte of an extended result code is the primary one [sqlite.org/rescode.html].
    (typeof errcode === 'number' && (errcode & 0xff) === number)
  );
}

/** What an error says, for the person who starts the server. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error of a unit that could not begin. */
export function unavailable(error: unknown): unknown {
  return isBusy(error)
    ? new ServerError(
        'The database is in use by another program: try again later',
        { errorCode: '500', cause: error },
      )
    : error;
}
