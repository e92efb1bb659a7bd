import { type Kysely, type Migration, PostgresAdapter, sql } from 'kysely';
import { MIGRATIONS_0_1_0 } from './migrations-0.1.0.js';
import type { Schema } from './schema.js';

/** Applied in the order of their names, each once. Never change a released one. */
export const MIGRATIONS: Record<string, Migration> = {
  ...MIGRATIONS_0_1_0,
  '0004_epoch': {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const table of ['users', 'tokens'])
        await db.schema
          .alterTable(table)
          .addColumn('epoch', 'varchar(36)', (column) =>
            column.notNull().defaultTo(''),
          )
          .execute();
      // Any value that differs between users will do. Existing tokens stay valid.
      await (db as Kysely<Pick<Schema, 'users'>>)
        .updateTable('users')
        .set((eb) => ({ epoch: eb.ref('id') }))
        .execute();
      await (db as Kysely<Pick<Schema, 'tokens'>>)
        .updateTable('tokens')
        .set((eb) => ({ epoch: eb.ref('user_id') }))
        .execute();
    },
  },
  '0005_allowances': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .alterTable('users')
        .addColumn('wrong_codes_until', 'bigint', (column) =>
          column.notNull().defaultTo(0),
        )
        .execute();
      await db.schema
        .createIndex('tokens_expires_at')
        .on('tokens')
        .column('expires_at')
        .execute();
    },
  },
  '0006_token_method': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .alterTable('tokens')
        .addColumn('method', 'varchar(8)', (column) =>
          column.notNull().defaultTo(''),
        )
        .execute();
    },
  },
  '0007_factors': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('factors')
        .addColumn('id', 'varchar(40)', (column) => column.primaryKey())
        .addColumn('user_id', 'varchar(36)', (column) =>
          column.notNull().references('users.id').onDelete('cascade'),
        )
        .addColumn('kind', 'varchar(16)', (column) => column.notNull())
        .addColumn('name', 'varchar(255)')
        .addColumn('state', 'varchar(8)', (column) => column.notNull())
        .addColumn('secret', 'text', (column) => column.notNull())
        .addColumn('algorithm', 'varchar(8)', (column) => column.notNull())
        .addColumn('digits', 'integer', (column) => column.notNull())
        .addColumn('period', 'integer', (column) => column.notNull())
        .addColumn('counter', 'bigint', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addColumn('last_used_at', 'bigint')
        .execute();
      await db.schema
        .createIndex('factors_user')
        .on('factors')
        .columns(['user_id', 'kind', 'created_at', 'id'])
        .execute();
      // The secrets keep their seals; `reseal` renews them at start.
      await sql`insert into factors
        (id, user_id, kind, name, state, secret, algorithm, digits, period, counter, created_at, last_used_at)
        select id, id, 'totp', null, case when last_step > 0 then 'active' else 'pending' end,
          totp_secret, 'SHA1', 6, 30, last_step, created_at,
          case when last_step > 0 then last_step * 30000 end
        from users`.execute(db);
      await sql`insert into factors
        (id, user_id, kind, name, state, secret, algorithm, digits, period, counter, created_at, last_used_at)
        select 'otp-' || id, id, 'otp', null, 'active', otp_secret, 'SHA1', 8, 0, otp_counter, created_at, null
        from users`.execute(db);
      for (const column of [
        'totp_secret',
        'last_step',
        'otp_secret',
        'otp_counter',
      ])
        await db.schema.alterTable('users').dropColumn(column).execute();
      for (const table of ['api_keys', 'tokens'])
        await db.schema
          .alterTable(table)
          .addColumn('binding', 'text', (column) =>
            column.notNull().defaultTo(''),
          )
          .execute();
      await db.schema
        .createTable('seals')
        .addColumn('name', 'varchar(16)', (column) => column.primaryKey())
        .addColumn('proof', 'text', (column) => column.notNull())
        .execute();
      if (db.getExecutor().adapter instanceof PostgresAdapter)
        // `users/?after=` pages in the order of the bytes, as on SQLite.
        await sql`alter table users alter column unique_id type varchar(255) collate "C"`.execute(
          db,
        );
    },
  },
  '0008_message_counts': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('message_counts')
        .addColumn('subject', 'varchar(128)', (column) => column.primaryKey())
        .addColumn('since', 'bigint', (column) => column.notNull())
        .addColumn('sent', 'integer', (column) => column.notNull())
        .addColumn('entered', 'integer', (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex('message_counts_since')
        .on('message_counts')
        .column('since')
        .execute();
      await db.schema
        .alterTable('sent_codes')
        .addColumn('counted', 'text')
        .execute();
    },
  },
  '0009_realms': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('realms')
        .addColumn('name', 'varchar(64)', (column) => column.primaryKey())
        .addColumn('settings', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .execute();
      const keys = db.schema.alterTable('api_keys');
      await keys
        .addColumn('id', 'varchar(16)', (column) =>
          column.notNull().defaultTo(''),
        )
        .execute();
      await keys.addColumn('name', 'varchar(255)').execute();
      await keys.addColumn('last_used_at', 'bigint').execute();
      await keys.addColumn('expires_at', 'bigint').execute();
      await sql`update api_keys set id = substr(hash, 1, 8)`.execute(db);
    },
  },
  '0010_factor_expiry': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .alterTable('factors')
        .addColumn('expires_at', 'bigint')
        .execute();
    },
  },
  '0011_audit': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('audit')
        .addColumn('realm', 'varchar(64)', (column) => column.notNull())
        .addColumn('number', 'bigint', (column) => column.notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('actor', 'varchar(64)', (column) => column.notNull())
        .addColumn('source', 'varchar(64)')
        .addColumn('request_id', 'varchar(32)')
        .addColumn('action', 'varchar(32)', (column) => column.notNull())
        .addColumn('user_id', 'varchar(36)')
        .addColumn('details', 'text')
        .addColumn('hash', 'varchar(80)', (column) => column.notNull())
        .addPrimaryKeyConstraint('audit_key', ['realm', 'number'])
        .execute();
      await db.schema
        .createTable('audit_heads')
        .addColumn('realm', 'varchar(64)', (column) => column.primaryKey())
        .addColumn('number', 'bigint', (column) => column.notNull())
        .addColumn('hash', 'varchar(80)', (column) => column.notNull())
        .execute();
    },
  },
  '0012_data_keys': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('data_keys')
        .addColumn('id', 'varchar(32)', (column) => column.notNull())
        .addColumn('purpose', 'varchar(16)', (column) => column.notNull())
        .addColumn('realm', 'varchar(64)', (column) => column.notNull())
        .addColumn('wrapping_key', 'varchar(255)', (column) => column.notNull())
        .addColumn('wrapped', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('data_keys_key', ['id', 'purpose', 'realm'])
        .execute();
    },
  },
  '0013_entered_before': {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const column of ['entered_before', 'last_sent_at'] as const)
        await db.schema
          .alterTable('message_counts')
          .addColumn(
            column,
            column === 'last_sent_at' ? 'bigint' : 'integer',
            (definition) => definition.notNull().defaultTo(0),
          )
          .execute();
    },
  },
};
