import { StartError } from './start-error.js';

/** Whether a database URL is one of PostgreSQL. */
export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:\/\//.test(url);
}

/** @throws StartError unless the URL is one of SQLite or PostgreSQL */
export function checkDatabaseUrl(url: string): void {
  if (!isPostgres(url)) sqliteFile(url);
  else if (!URL.canParse(url)) throw malformed();
}

/** The file of a `sqlite:` URL; `:memory:` for a database in memory. @throws StartError */
export function sqliteFile(url: string): string {
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/s.exec(url)?.[1];
  if (!file) throw malformed();
  return file;
}

function malformed(): StartError {
  return new StartError(
    'Option database must be sqlite:<file>, sqlite::memory: or postgres://<user>:<password>@<host>/<database> (its value is not shown: it may hold a password)',
  );
}
