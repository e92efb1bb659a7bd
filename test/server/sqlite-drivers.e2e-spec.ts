import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadBetterSqlite3 } from '../../lib/server/store/better-sqlite3.js';
import { NODE_SQLITE } from '../../lib/server/store/node-sqlite.js';
import { SqliteDatabase } from '../../lib/server/store/sqlite-database.js';
import {
  hasNodeSqlite,
  loadSqliteDriver,
  type SqliteConnection,
  type SqliteDriver,
} from '../../lib/server/store/sqlite-driver.js';

/** Those that work on this Node. `npm run test:node-24` runs this where there is node:sqlite. */
const drivers: SqliteDriver[] = [];
try {
  drivers.push(loadBetterSqlite3());
} catch {
  // Its binary was compiled for another Node.
}
if (hasNodeSqlite()) drivers.push(NODE_SQLITE);

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  file = join(folder, 'gauthify.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('prefers better-sqlite3 where it works, and takes node:sqlite elsewhere', async () => {
  const [first] = drivers;
  expect((await loadSqliteDriver()).name).toBe(first!.name);
  // Set where it must not be missing.
  const { SQLITE_DRIVER = first!.name } = process.env;
  expect(drivers.map(({ name }) => name)).toContain(SQLITE_DRIVER);
});

describe.each(drivers)('$name', (driver) => {
  const open: SqliteConnection[] = [];
  const connect = (readOnly = false) => {
    const connection = driver.open(file, readOnly);
    open.push(connection);
    return connection;
  };
  let connection: SqliteConnection;
  beforeEach(() => {
    connection = connect();
    connection.exec(
      'create table things (id integer primary key, name text unique, data blob); pragma journal_mode = WAL',
    );
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });
  const all = (sql: string, ...parameters: unknown[]) =>
    connection
      .prepare(sql)
      .all(parameters)
      .map((row) => ({ ...(row as object) }));
  const run = (sql: string, ...parameters: unknown[]) =>
    connection.prepare(sql).run(parameters);

  it('writes and reads, and says how many rows were changed', () => {
    expect(run('insert into things (name) values (?), (?)', 'a', 'b')).toEqual(
      expect.objectContaining({ changes: 2 }),
    );
    expect(Number(run("update things set name = name || '!'").changes)).toBe(2);
    expect(Number(run('delete from things where id = ?', 7).changes)).toBe(0);
    expect(all('select name from things order by id')).toEqual([
      { name: 'a!' },
      { name: 'b!' },
    ]);
  });

  it('runs a prepared statement again with other parameters', () => {
    const insert = connection.prepare('insert into things (name) values (?)');
    const select = connection.prepare('select id from things where name = ?');
    for (const name of ['a', 'b', 'c']) insert.run([name]);
    expect(
      ['c', 'a', 'x'].map((name) =>
        select.all([name]).map((row) => (row as { id: number }).id),
      ),
    ).toEqual([[3], [1], []]);
  });

  it.each([
    ['select 1', true],
    ['  SELECT id FROM things', true],
    ['with x as (select 1) select * from x', true],
    ['pragma journal_mode', true],
    ['insert into things (name) values (?) returning id', true],
    ['update things set name = ? where id = 1', false],
    ['insert into things (name) select name from things', false],
    ['delete from things', false],
    ['begin immediate', false],
    ['savepoint unit', false],
  ])('knows whether %j returns rows', (sql, reader) => {
    expect(connection.prepare(sql).reader).toBe(reader);
  });

  it('returns the rows of an insert with `returning`', () => {
    expect(
      all('insert into things (name) values (?) returning id, name', 'a'),
    ).toEqual([{ id: 1, name: 'a' }]);
  });

  it.each([
    null,
    '',
    'Jürgen 日本 👍',
    "'; drop table things; --",
    0,
    -1.5,
    Number.MAX_SAFE_INTEGER,
  ])('stores %j as it is', (value) => {
    connection.exec('create table raw (value)');
    run('insert into raw values (?)', value);
    expect(all('select value from raw')).toEqual([{ value }]);
  });

  it('stores a bigint, and reads it as a number', () => {
    const time = 1_700_000_000_000;
    run('insert into things (id) values (?)', BigInt(time));
    expect(all('select id from things')).toEqual([{ id: time }]);
  });

  it('refuses a parameter that is no value of SQLite', () => {
    const insert = 'insert into things (name) values (?)';
    expect(() => run(insert, Symbol('x'))).toThrow(/bind|bound/);
    expect(all('select * from things')).toEqual([]);
  });

  it('reports a violated constraint, and goes on', () => {
    run('insert into things (name) values (?)', 'a');
    expect(() => run('insert into things (name) values (?)', 'a')).toThrow(
      'UNIQUE constraint failed: things.name',
    );
    expect(
      Number(
        run('insert into things (name) values (?) on conflict do nothing', 'a')
          .changes,
      ),
    ).toBe(0);
  });

  it('undoes to a savepoint', () => {
    run('begin immediate');
    run('insert into things (name) values (?)', 'kept');
    run('savepoint unit');
    run('insert into things (name) values (?)', 'undone');
    run('rollback to unit');
    run('release unit');
    run('commit');
    expect(all('select name from things')).toEqual([{ name: 'kept' }]);
  });

  it('fails at once, and not for ever, while another connection writes', () => {
    const other = connect();
    other.exec('begin immediate');
    const before = performance.now();
    expect(() => run('begin immediate')).toThrow('database is locked');
    expect(performance.now() - before).toBeLessThan(1000);
    other.exec('commit');
    run('begin immediate');
    run('rollback');
  });

  it('refuses every write on a connection to read, which sees what others commit', () => {
    const reader = connect(true);
    const names = () =>
      reader
        .prepare('select name from things')
        .all([])
        .map((row) => (row as { name: string }).name);
    expect(names()).toEqual([]);
    run('insert into things (name) values (?)', 'a');
    expect(names()).toEqual(['a']);
    expect(() => reader.exec("insert into things (name) values ('b')")).toThrow(
      'readonly database',
    );
    expect(() => reader.exec('drop table things')).toThrow('readonly database');
  });

  it('does not create a file that is opened to read', () => {
    expect(() => driver.open(join(folder, 'none'), true)).toThrow();
  });

  it('reports a statement that is wrong', () => {
    expect(() => connection.prepare('selec 1')).toThrow('syntax error');
  });
});

it('loads node:sqlite without a warning, and leaves other warnings as they were', async () => {
  const emitWarning: unknown = Reflect.get(process, 'emitWarning');
  const warnings: unknown[] = [];
  const note = (warning: unknown) => warnings.push(warning);
  process.on('warning', note);
  const database = await SqliteDatabase.open(file, async () => undefined);
  await database.close();
  // Node tells of a warning in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  expect(warnings).toEqual([]);
  expect(Reflect.get(process, 'emitWarning')).toBe(emitWarning);
});
