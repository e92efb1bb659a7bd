import type { Kysely } from 'kysely';
import type { Channel } from '../../contract/channel.js';

/** Times are milliseconds since 1970; what is "sealed" is encrypted by `Keyring`. */
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
  /** attempts since a right code last forgave them, one in flight included */
  failures: number;
  /** no attempt before this time */
  next_attempt_at: number;
  /** when the day's allowance of wrong codes is whole again; each attempt moves it on */
  wrong_codes_until: number;
  created_at: number;
  /** random; another one after each reset, and each change of an address or number */
  epoch: string;
}

export interface SentCodeRow {
  user_id: string;
  channel: Channel;
  /** keyed hash */
  code_hash: string;
  expires_at: number;
  /** codes compared with this one */
  tries: number;
}

export interface TokenRow {
  /** SHA-256 of the token, hex */
  hash: string;
  user_id: string;
  expires_at: number;
  /** the user's when the token was issued; it counts for no other */
  epoch: string;
}

export interface SendRow {
  /** whom or what the message counts for: a user and channel, a user, or the keyed hash of a destination */
  subject: string;
  /** 1, 2, … of the subject; makes two messages at the same moment conflict */
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
  /** the request that acts; no other may write the answer */
  claim: string;
  /** sealed JSON of what was answered; null while it is not known */
  answer: string | null;
  expires_at: number;
}

/** One row, made with the table: the same for all who share the database. */
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
