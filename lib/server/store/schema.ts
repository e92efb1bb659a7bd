import type { Kysely } from 'kysely';
import type { Channel } from '../../contract/channel.js';
import type { AuthMethod } from '../../contract/dto/check-result.dto.js';

/** Times are milliseconds since 1970; a "sealed" value is encrypted by `Keyring`. */
export interface UserRow {
  id: string;
  realm: string;
  unique_id: string;
  display_name: string;
  email: string | null;
  sms_number: string | null;
  voice_number: string | null;
  /** JSON */
  meta: string | null;
  /** sealed */
  totp_secret: string;
  /** TOTP step of the last accepted code of this secret; 0: none yet */
  last_step: number;
  /** 1 once a TOTP code was right, until `reset_key` without `keep_enrolled` */
  enrolled: number;
  /** sealed */
  otp_secret: string;
  /** HOTP counter of the one-time pass that works now */
  otp_counter: number;
  /** failed attempts since a right code last set them back; an attempt in progress counts as failed */
  failures: number;
  /** attempts before this time are refused */
  next_attempt_at: number;
  /** when the day's allowance of wrong codes is full again; each attempt moves this time forward */
  wrong_codes_until: number;
  created_at: number;
  /** random; replaced by each reset, and by each change of an address or number */
  epoch: string;
}

export interface SentCodeRow {
  user_id: string;
  channel: Channel;
  /** keyed hash */
  code_hash: string;
  expires_at: number;
  /** attempts to enter this code */
  tries: number;
}

export interface TokenRow {
  /** SHA-256 of the token, hex */
  hash: string;
  user_id: string;
  expires_at: number;
  /** the user's epoch when the token was issued; the token is valid for that epoch only */
  epoch: string;
  /** kind of the code that earned the token; `''` if it was issued before there was this column */
  method: AuthMethod | '';
}

export interface SendRow {
  /** what the message counts against: a user and channel, a user, or the keyed hash of a destination */
  subject: string;
  /** 1, 2, … per subject; makes two simultaneous messages conflict */
  number: number;
  sent_at: number;
}

export interface ApiKeyRow {
  /** SHA-256 of the key, hex */
  hash: string;
  realm: string;
  created_at: number;
}

export interface IdempotencyRow {
  /** SHA-256 of realm and key, hex */
  id: string;
  /** keyed hash of the request: it may hold a code */
  fingerprint: string;
  /** the request that is carried out; only it may write the answer */
  claim: string;
  /** sealed JSON of the answer; null until there is one */
  answer: string | null;
  expires_at: number;
}

/** One row, created with the table: all servers on one database share it. */
export interface IdempotencyScopeRow {
  id: string;
}

export interface Schema {
  users: UserRow;
  sent_codes: SentCodeRow;
  tokens: TokenRow;
  sends: SendRow;
  api_keys: ApiKeyRow;
  idempotency: IdempotencyRow;
  idempotency_scope: IdempotencyScopeRow;
}

export type Database = Kysely<Schema>;

/** Injection token of the {@link Database}. */
export const DATABASE = Symbol('GAUTHIFY_DATABASE');
