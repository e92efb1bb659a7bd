import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Migrator } from 'kysely';
import {
  DatabaseNotReadyError,
  type DatabaseUse,
} from '../settings/database-use.js';
import { isPostgres, sqliteFile } from '../settings/database-url.js';
import { loadPackage } from '../settings/load-package.js';
import type { Database, Queries } from './database.js';
import { MIGRATIONS } from './migrations.js';
import { SqliteDatabase } from './sqlite-database.js';

/**
 * Opens the database, and migrates it to the newest schema if the use allows it.
 * Only the driver that is used is loaded.
 *
 * @throws DatabaseNotReadyError if the use does not allow it
 * @throws StartError if it cannot be opened or migrated
 */
export async function openDatabase(
  url: string,
  use: DatabaseUse = 'serve',
): Promise<Database> {
  const migrateFor = (db: Queries) => migrate(db, use);
  if (isPostgres(url)) {
    const { PostgresDatabase } = await loadPackage(
      () => import('./postgres-database.js'),
      'pg',
      'Option database: a postgres:// URL',
    );
    return await PostgresDatabase.open(url, migrateFor);
  }
  const file = sqliteFile(url);
  const isThere =
    file === ':memory:' ||
    (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
  if (use === 'use' && !isThere) throw missing(resolve(file));
  return await SqliteDatabase.open(file, migrateFor);
}

/** On PostgreSQL, under an advisory lock and in one transaction. */
async function migrate(db: Queries, use: DatabaseUse): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => MIGRATIONS },
  });
  if (use !== 'serve') {
    const all = await migrator.getMigrations();
    const missingOnes = all.filter(({ executedAt }) => !executedAt);
    const isNew = missingOnes.length === all.length;
    if (isNew && use === 'use') throw missing('with tables of this server');
    if (!isNew && missingOnes.length > 0)
      throw new DatabaseNotReadyError(
        'older',
        'The database is of an older version: start the server, which upgrades it, before you use this command',
      );
  }
  // Also finds that the database is of a newer version.
  const { error } = await migrator.migrateToLatest();
  if (error) throw error as Error;
}

const missing = (what: string) =>
  new DatabaseNotReadyError(
    'missing',
    `There is no database ${what}: start the server first, or set DATABASE_URL to where its database is`,
  );
