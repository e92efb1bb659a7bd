import type { AuditEntry } from '../audit/audit-event.js';
import { CHANNELS } from '../../contract/channel.js';
import type { AuthMethod } from '../../contract/dto/check-result.dto.js';
import type { AcceptedCode, Check } from './check.js';
import type { LockedUser } from './check-queries.js';

/** A check of a user who may try a code, and what became of it. */
export interface Attempt {
  check: Check;
  /** position in the batch */
  index: number;
  user: LockedUser;
  /** normalized */
  code: string;
  /** kind of the code, once it was right and is used */
  method?: AuthMethod;
}

/** What the caller is told of a right code; `null` if it was wrong. */
export function acceptedOf({ user, method }: Attempt): AcceptedCode | null {
  return method === undefined ? null : { method, epoch: user.epoch };
}

/** Every code that was looked at, for the audit log. */
export const eventOf = ({ check, user, method }: Attempt): AuditEntry => ({
  realm: user.realm,
  origin: check.origin,
  action: 'check',
  user: user.id,
  details:
    method === undefined
      ? { outcome: 'wrong' }
      : { outcome: 'accepted', method },
});

/** Whether a code was sent, rather than made by an app or kept on paper. */
export const isSent = (method: AuthMethod) =>
  (CHANNELS as readonly string[]).includes(method);
