import { Migrator } from 'kysely';
import { isPostgres, sqliteFile } from '../settings/database-url.js';
import { StartError } from '../settings/start-error.js';
import type { Database, Queries } from './database.js';
import { MIGRATIONS } from './migrations.js';
import { SqliteDatabase } from './sqlite-database.js';

/**
 * Opens the database and migrates it to the newest schema. Only the driver that
 * is used is loaded.
 *
 * @throws StartError if it cannot be opened or migrated
 */
export async function openDatabase(url: string): Promise<Database> {
  if (!isPostgres(url))
    return await SqliteDatabase.open(sqliteFile(url), migrate);
  const { PostgresDatabase } = await loadPostgres();
  return await PostgresDatabase.open(url, migrate);
}

async function loadPostgres() {
  try {
    return await import('./postgres-database.js');
  } catch (error) {
    throw new StartError(
      'Option database: a postgres:// URL needs the package pg: run npm install pg',
      { cause: error },
    );
  }
}

/** On PostgreSQL, under an advisory lock and in one transaction. */
async function migrate(db: Queries): Promise<void> {
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => MIGRATIONS },
  }).migrateToLatest();
  if (error) throw error as Error;
}
