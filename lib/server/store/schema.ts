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
  /** 1 once a TOTP code was right, until `reset_key` without `keep_enrolled` while no other app is in use */
  enrolled: number;
  /** wrong codes since a right code, `reset_key` or `unlock` last set them back */
  failures: number;
  /** attempts before this time are refused */
  next_attempt_at: number;
  /** when the day's allowance of wrong codes is full again; each wrong code moves this time forward */
  wrong_codes_until: number;
  created_at: number;
  /** random; replaced by each reset, each deletion of an active factor, and each change of an address or number */
  epoch: string;
}

/** `totp`: an authenticator app; `otp`: one-time passes; `recovery`: one recovery code. */
export type FactorKind = 'totp' | 'otp' | 'recovery';

/** What a user proves themselves with, apart from sent codes. */
export interface FactorRow {
  id: string;
  user_id: string;
  kind: FactorKind;
  /** what the site calls it; null if it gave no name */
  name: string | null;
  /** `pending` until its first right code */
  state: 'pending' | 'active';
  /** sealed; of a recovery code, its keyed hash */
  secret: string;
  algorithm: 'SHA1' | 'SHA256' | 'SHA512';
  digits: number;
  /** length of a TOTP step, seconds; 0 for the other kinds */
  period: number;
  /** TOTP: step of the last accepted code, 0 if there is none; one-time pass: HOTP counter of the code that works now */
  counter: number;
  created_at: number;
  last_used_at: number | null;
  /** when an additional app ends that is still pending; null: never */
  expires_at: number | null;
}

export interface SentCodeRow {
  user_id: string;
  channel: Channel;
  /** keyed hash */
  code_hash: string;
  expires_at: number;
  /** attempts to enter this code */
  tries: number;
  /** rows of `message_counts` that the message counts in, a line each; null for e-mail */
  counted: string | null;
}

/** SMS or calls to a block of numbers, or to a country. */
export interface MessageCountRow {
  subject: string;
  /** when the first of them was sent */
  since: number;
  sent: number;
  /** how many of their codes were entered */
  entered: number;
  /** how many were in the 24 hours before `since` */
  entered_before: number;
  /** when the last one was sent */
  last_sent_at: number;
}

export interface TokenRow {
  /** keyed hash */
  hash: string;
  user_id: string;
  /** keyed hash of the token, its user and its epoch: a row moved to another user is no token */
  binding: string;
  expires_at: number;
  /** the user's epoch when the token was issued; the token is valid for that epoch only */
  epoch: string;
  /** kind of the code that earned the token; `''` if it was issued before there was this column */
  method: AuthMethod | '';
}

/** Says, in a way that only a holder of the keys can, that no old seal is left. */
export interface SealRow {
  name: 'resealing' | 'sealed';
  /** keyed hash of the name */
  proof: string;
}

/** A data key, encrypted by the key provider. */
export interface DataKeyRow {
  id: string;
  /** `recovery`: hashed recovery codes that were imported */
  purpose: 'encryption' | 'hashing' | 'recovery';
  /** whose recovery codes it hashed; empty for other keys */
  realm: string;
  /** id of the provider's key that encrypted it */
  wrapping_key: string;
  /** base64 */
  wrapped: string;
  created_at: number;
}

/** Something that was done. */
export interface AuditRow {
  realm: string;
  /** 1, 2, 3, … in the realm */
  number: number;
  at: number;
  /** `api:` and the id of the API key, `page`, or `cli` */
  actor: string;
  /** IP address of the connection */
  source: string | null;
  request_id: string | null;
  action: string;
  /** id of the user's row, which may be deleted */
  user_id: string | null;
  /** JSON */
  details: string | null;
  /** keyed hash of the row and of the hash before it */
  hash: string;
}

/** The end of a realm's audit chain. */
export interface AuditHeadRow {
  realm: string;
  number: number;
  hash: string;
}

export interface SendRow {
  /** what the message counts against: a user and channel, a user, or the keyed hash of a destination */
  subject: string;
  /** 1, 2, … per subject; makes two simultaneous messages conflict */
  number: number;
  sent_at: number;
}

/** What a realm sets for itself. */
export interface RealmRow {
  name: string;
  /** JSON of `RealmChanges` */
  settings: string;
  created_at: number;
}

export interface ApiKeyRow {
  /** keyed hash */
  hash: string;
  /** names the key; reveals nothing of it */
  id: string;
  /** what it is called */
  name: string | null;
  /** to the minute */
  last_used_at: number | null;
  /** when it stops working; null: never */
  expires_at: number | null;
  realm: string;
  /** keyed hash of key and realm: a row moved to another realm is no key */
  binding: string;
  created_at: number;
}

export interface IdempotencyRow {
  /** SHA-256 of realm and key, hex */
  id: string;
  /** keyed hash of the request: it may hold a code */
  fingerprint: string;
  /** empty; 0.1.0 named the request here that might write the answer */
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
  factors: FactorRow;
  sent_codes: SentCodeRow;
  tokens: TokenRow;
  seals: SealRow;
  audit: AuditRow;
  audit_heads: AuditHeadRow;
  data_keys: DataKeyRow;
  message_counts: MessageCountRow;
  sends: SendRow;
  realms: RealmRow;
  api_keys: ApiKeyRow;
  idempotency: IdempotencyRow;
  idempotency_scope: IdempotencyScopeRow;
}
