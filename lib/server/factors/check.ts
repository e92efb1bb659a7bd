import type { AuthMethod } from '../../contract/dto/check-result.dto.js';
import type { Origin } from '../audit/audit-event.js';
import type { Owner } from '../store/factor-secrets.js';
import type { KeyedRequest } from '../store/idempotency-store.js';

/** A code that was right, and is now used. */
export interface AcceptedCode {
  method: AuthMethod;
  /** The user's epoch when the code was accepted. */
  epoch: string;
}

/** A code of a user, as they typed it. */
export interface Check {
  owner: Owner;
  code: string;
  /** Who asks. */
  origin: Origin;
  /**
   * Whether a code sent by e-mail, SMS or voice is accepted from a user with an
   * authenticator app; if not, it counts as wrong and stays unused.
   *
   * @default true
   */
  sentCodesIfEnrolled?: boolean;
  /** The request's Idempotency-Key, and the answer to store for it. */
  once?: {
    request: KeyedRequest;
    answerTo: (accepted: AcceptedCode | null) => unknown;
  };
}

/** `accepted` is `null` if the code is wrong, used or expired; `stored` is the answer to an earlier request with the same key. */
export type CheckOutcome =
  { accepted: AcceptedCode | null } | { stored: unknown };

/** A check that is decided, or why it was refused. */
export type Settled = { outcome: CheckOutcome } | { error: unknown };

/** Nothing was decided: the row of the user is locked by another unit of work, or does not exist. */
export interface Skipped {
  skipped: true;
}
