/** Who caused an event, and from where. */
export interface Origin {
  /** `api:` and the id of the API key, `page`, or `cli`. */
  actor: string;
  /** IP address of the connection. */
  source: string | null;
  /** `request_id` of the answer. */
  requestId: string | null;
}

/** What was done. Names are stable: programs filter by them. */
export type AuditAction =
  | 'check'
  | 'send'
  | 'send.failed'
  | 'send.unknown'
  | 'token.issue'
  | 'token.redeem'
  | 'user.create'
  | 'user.update'
  | 'user.reset'
  | 'user.unlock'
  | 'user.delete'
  | 'factor.add'
  | 'factor.rename'
  | 'factor.delete'
  | 'recovery_codes.renew'
  | 'realm.create'
  | 'realm.set'
  | 'realm.delete'
  | 'key.create'
  | 'key.rotate'
  | 'key.revoke'
  | 'import'
  | 'export'
  | 'audit.prune';

/** Something that was done. Holds no secret, code, address or number. */
export interface AuditEvent {
  action: AuditAction;
  /** Id of the user's row: a `unique_id` may be an address. */
  user?: string;
  /** Names, ids and counts. */
  details?: Readonly<Record<string, string | number | boolean | string[]>>;
}

/** An event of a realm, to be appended. */
export interface AuditEntry extends AuditEvent {
  realm: string;
  origin: Origin;
}
