import type { SqliteDriver } from './sqlite-driver.js';

/** The part of `node:sqlite` that is used here: its types are newer than Node 20. */
interface NodeSqlite {
  DatabaseSync: new (
    file: string,
    options: { readOnly: boolean },
  ) => {
    prepare(sql: string): {
      all(...parameters: readonly unknown[]): unknown[];
      run(...parameters: readonly unknown[]): { changes: number | bigint };
    };
    exec(sql: string): void;
    close(): void;
  };
}

/** SQLite as Node contains it, from 22.13 on. */
export const NODE_SQLITE: SqliteDriver = {
  name: 'node:sqlite',
  open(file, readOnly) {
    const { DatabaseSync } = loadQuietly();
    const database = new DatabaseSync(file, { readOnly });
    return {
      prepare(sql) {
        const statement = database.prepare(sql);
        return {
          reader: returnsRows(sql),
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

/** Node 22.13 cannot tell. No text of ours contains these words in quotes. */
function returnsRows(sql: string): boolean {
  return /^\s*(select|with|pragma)\b/i.test(sql) || /\breturning\b/i.test(sql);
}

/**
 * Loads the module without the ExperimentalWarning that Node 22 to 24.14 print.
 *
 * By `getBuiltinModule`: Node 20 and bundlers do not know the module.
 */
function loadQuietly(): NodeSqlite {
  const emitWarning: unknown = Reflect.get(process, 'emitWarning');
  process.emitWarning = () => undefined;
  try {
    return (process as unknown as Builtins).getBuiltinModule('node:sqlite');
  } finally {
    Reflect.set(process, 'emitWarning', emitWarning);
  }
}

interface Builtins {
  getBuiltinModule(name: 'node:sqlite'): NodeSqlite;
}
