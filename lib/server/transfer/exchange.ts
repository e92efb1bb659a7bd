import type { FactorKind, FactorRow, UserRow } from '../store/schema.js';

/**
 * A user as files carry them: what every reader makes of its format, and a line of
 * an export. Nothing in it is checked yet.
 *
 * Times are milliseconds since 1970. A field that is missing has the value of a new
 * user.
 */
export interface ExchangeUser {
  /** of an export; the option `--realm` replaces it */
  realm?: unknown;
  unique_id?: unknown;
  /** @default the `unique_id` */
  display_name?: unknown;
  email?: unknown;
  sms_number?: unknown;
  voice_number?: unknown;
  meta?: unknown;
  factors?: unknown;
  /** in plain text, as people have written them down */
  recovery_codes?: unknown;
  /** @default true if there is an active authenticator app */
  enrolled?: unknown;
  // What only an export has:
  id?: unknown;
  failures?: unknown;
  next_attempt_at?: unknown;
  wrong_codes_until?: unknown;
  created_at?: unknown;
  epoch?: unknown;
}

/** A factor in a file. */
export interface ExchangeFactor {
  /** `totp` by default; `hotp` is refused with a reason */
  kind?: FactorKind | 'hotp' | undefined;
  /** base32; of a recovery code, the keyed hash with the id of its key */
  secret?: unknown;
  name?: unknown;
  algorithm?: unknown;
  digits?: unknown;
  period?: unknown;
  /** `active` by default */
  state?: unknown;
  counter?: unknown;
  id?: unknown;
  created_at?: unknown;
  last_used_at?: unknown;
  expires_at?: unknown;
}

/** Something that is wrong with a line. Never holds anything that the line says. */
export interface Problem {
  /** first line of the user in the file, or its number in a list; from 1 */
  line: number;
  reason: string;
}

/** What a reader finds, one by one. */
export type Entry =
  | { line: number; user: ExchangeUser; problem?: undefined }
  | { line: number; user?: undefined; problem: string };

/** The first line of an export. */
export interface ExportHeader {
  format: typeof EXPORT_FORMAT;
  version: typeof EXPORT_VERSION;
  /** The keys that hashed the recovery codes, base64. */
  recovery_keys: RecoveryKey[];
}

export interface RecoveryKey {
  id: string;
  key: string;
}

/** A line of an export before the users: what a realm sets for itself. */
export interface ExportRealm {
  realm: string;
  realm_settings: unknown;
}

/** The last line: an export without it was cut off. */
export interface ExportEnd {
  users: number;
}

export const EXPORT_FORMAT = 'nestjs-gauthify export';
export const EXPORT_VERSION = 1;

/** Columns of a user that are stored; an export carries them under these names. */
export const USER_COLUMNS = [
  'id',
  'realm',
  'unique_id',
  'display_name',
  'email',
  'sms_number',
  'voice_number',
  'meta',
  'enrolled',
  'failures',
  'next_attempt_at',
  'wrong_codes_until',
  'created_at',
  'epoch',
] as const satisfies readonly (keyof UserRow)[];

export const FACTOR_COLUMNS = [
  'id',
  'user_id',
  'kind',
  'name',
  'state',
  'secret',
  'algorithm',
  'digits',
  'period',
  'counter',
  'created_at',
  'last_used_at',
  'expires_at',
] as const satisfies readonly (keyof FactorRow)[];
