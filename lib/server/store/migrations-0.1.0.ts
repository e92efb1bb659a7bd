import { randomUUID } from 'node:crypto';
import { type Kysely, type Migration, sql } from 'kysely';
import type { Schema } from './schema.js';

/** Those of release 0.1.0. */
export const MIGRATIONS_0_1_0: Record<string, Migration> = {
  '0001_initial': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('users')
        .addColumn('id', 'varchar(36)', (column) => column.primaryKey())
        .addColumn('realm', 'varchar(64)', (column) => column.notNull())
        .addColumn('unique_id', 'varchar(255)', (column) => column.notNull())
        .addColumn('display_name', 'varchar(255)', (column) => column.notNull())
        .addColumn('email', 'varchar(320)')
        .addColumn('sms_number', 'varchar(32)')
        .addColumn('voice_number', 'varchar(32)')
        .addColumn('meta', 'text')
        .addColumn('totp_secret', 'text', (column) => column.notNull())
        .addColumn('last_step', 'bigint', (column) => column.notNull())
        .addColumn('otp_secret', 'text', (column) => column.notNull())
        .addColumn('otp_counter', 'bigint', (column) => column.notNull())
        .addColumn('failures', 'integer', (column) => column.notNull())
        .addColumn('next_attempt_at', 'bigint', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .addUniqueConstraint('users_unique_id', ['realm', 'unique_id'])
        .execute();
      await db.schema
        .createIndex('users_list')
        .on('users')
        .columns(['realm', 'created_at', 'id'])
        .execute();
      await db.schema
        .createTable('sent_codes')
        .addColumn('user_id', 'varchar(36)', (column) =>
          column.notNull().references('users.id').onDelete('cascade'),
        )
        .addColumn('channel', 'varchar(8)', (column) => column.notNull())
        .addColumn('code_hash', 'text', (column) => column.notNull())
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .addColumn('tries', 'integer', (column) => column.notNull())
        .addPrimaryKeyConstraint('sent_codes_key', ['user_id', 'channel'])
        .execute();
      await db.schema
        .createTable('tokens')
        .addColumn('hash', 'varchar(64)', (column) => column.primaryKey())
        .addColumn('user_id', 'varchar(36)', (column) =>
          column.notNull().references('users.id').onDelete('cascade'),
        )
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex('tokens_user')
        .on('tokens')
        .column('user_id')
        .execute();
      await db.schema
        .createTable('sends')
        .addColumn('subject', 'varchar(128)', (column) => column.notNull())
        .addColumn('number', 'bigint', (column) => column.notNull())
        .addColumn('sent_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('sends_key', ['subject', 'number'])
        .execute();
      await db.schema
        .createIndex('sends_sent_at')
        .on('sends')
        .column('sent_at')
        .execute();
      await db.schema
        .createTable('api_keys')
        .addColumn('hash', 'varchar(64)', (column) => column.primaryKey())
        .addColumn('realm', 'varchar(64)', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .execute();
    },
  },
  '0002_idempotency': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('idempotency')
        .addColumn('id', 'varchar(64)', (column) => column.primaryKey())
        .addColumn('fingerprint', 'text', (column) => column.notNull())
        .addColumn('claim', 'varchar(36)', (column) => column.notNull())
        .addColumn('answer', 'text')
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex('idempotency_expires_at')
        .on('idempotency')
        .column('expires_at')
        .execute();
      await db.schema
        .createTable('idempotency_scope')
        .addColumn('id', 'varchar(36)', (column) => column.primaryKey())
        .execute();
      await (db as Kysely<Pick<Schema, 'idempotency_scope'>>)
        .insertInto('idempotency_scope')
        .values({ id: randomUUID() })
        .execute();
    },
  },
  '0003_enrolled': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .alterTable('users')
        .addColumn('enrolled', 'integer', (column) =>
          column.notNull().defaultTo(0),
        )
        .execute();
      await sql`update users set enrolled = 1 where last_step > 0`.execute(db);
    },
  },
};
