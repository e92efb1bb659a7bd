import { StartError } from './start-error.js';

/**
 * What a start may do to the database:
 *
 * - `serve`: create it, upgrade it, and encrypt its data keys with the newest key;
 * - `create`: create it if it is missing, and leave an existing one unchanged;
 * - `use`: only use what is there.
 *
 * A command must do no more than it says, for example with keys that somebody only tries.
 */
export type DatabaseUse = 'serve' | 'create' | 'use';

/** Injection token of the {@link DatabaseUse}. */
export const DATABASE_USE = Symbol('GAUTHIFY_DATABASE_USE');

/** The database is missing, or of an older version, and must not be created or upgraded. */
export class DatabaseNotReadyError extends StartError {
  constructor(
    readonly state: 'missing' | 'older',
    message: string,
  ) {
    super(message);
  }
}
