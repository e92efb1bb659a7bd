import { StartError } from './start-error.js';

/** The file of a `sqlite:` URL; `:memory:` for a database in memory. */
export function sqliteFile(url: string): string {
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/s.exec(url)?.[1];
  if (!file)
    throw new StartError(
      `Option database must be sqlite:<file> or sqlite::memory: (its value is not shown: it may hold a password)`,
    );
  return file;
}
