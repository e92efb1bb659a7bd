import BetterSqlite3 from 'better-sqlite3';
import { StartError } from '../settings/start-error.js';
import type { SqliteDriver } from './sqlite-driver.js';

/**
 * SQLite by the package better-sqlite3.
 *
 * @throws StartError if its native binary does not fit this Node
 */
export function loadBetterSqlite3(): SqliteDriver {
  try {
    // Its binary is loaded when the first database is opened.
    new BetterSqlite3(':memory:').close();
  } catch (error) {
    const reason = (error as Error).message.split('\n', 1)[0];
    throw new StartError(
      `better-sqlite3 has no native binary for Node ${process.version} on ${process.platform} ${process.arch}: run npm rebuild better-sqlite3, with its install script allowed (${reason})`,
      { cause: error },
    );
  }
  return {
    name: 'better-sqlite3',
    open(file, readOnly) {
      const database = new BetterSqlite3(file, {
        readonly: readOnly,
        timeout: 0,
      });
      return {
        prepare(sql) {
          const statement = database.prepare(sql);
          const { reader } = statement;
          return {
            reader,
            all: (parameters) => statement.all(...parameters),
            run: (parameters) => statement.run(...parameters),
          };
        },
        exec: (sql) => {
          database.exec(sql);
        },
        close: () => {
          database.close();
        },
      };
    },
  };
}
