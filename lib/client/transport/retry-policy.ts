import type { GAuthifyError } from '../../contract/errors/gauthify.error.js';
import type { RetryPolicy } from '../client.options.js';
import type { WireCall } from './http-client.js';

/** What came of one attempt at one access point. */
export type AttemptResult =
  /** GAuthify did what was asked. */
  { kind: 'succeeded'; data: unknown; status: number } | Failure;

/** Why an attempt failed, as far as it decides what to do next. */
export type Failure = { kind: 'answered'; error: GAuthifyError } | NoAnswer;

/** A failure without an answer of GAuthify. */
export type NoAnswer = {
  kind:
    /** Nothing of the request was written: name not found, connection refused, no TLS, no connection in time. */
    | 'notSent'
    /** Something that is not GAuthify answered, or the request was not accepted: it was not processed. */
    | 'rejected'
    /** The request was written, or may have been, and no usable answer came: it may have been processed. */
    | 'indeterminate';
  /** For people: the end of a sentence that begins with the access point. */
  reason: string;
  /** HTTP status, if there was an answer. */
  status?: number;
  /** The attempt ran out of time. */
  isLate?: true;
  /** The connection was closed, as a server closes it when it restarts. */
  isConnectionClosed?: true;
  /**
   * The failure says nothing about the access point: its cause is in this
   * process (`here`: an interceptor, no free file descriptor), or GAuthify
   * itself failed at this one call (`call`).
   */
  isUnrelated?: 'here' | 'call';
};

/**
 * What a call does to GAuthify, and so whether it may be made twice:
 * `none` reads; `repeatable` leaves things as one call would; `once` does not.
 */
export type Effect = 'none' | 'repeatable' | 'once';

/** The {@link Effect} of a call. */
export function effectOf({ method, path, params }: WireCall): Effect {
  switch (method) {
    case 'GET':
      return 'none';
    case 'DELETE':
      // Deleting twice deletes once. The second may answer 404, which is then true.
      return 'repeatable';
    case 'PUT':
      // The same values twice are the same values [RFC 9110 §9.2.2], but each
      // reset makes another secret: whoever scanned the first is locked out.
      return params?.['reset_key'] === 'true' ? 'once' : 'repeatable';
    case 'POST':
      // A token is redeemed once, however often it is presented: the second
      // request redeems it if the first did not arrive, and is a 404 if it did.
      // Without a retry the caller would have no user in either case.
      if (path === 'token/') return 'repeatable';
      // Who is unlocked twice is unlocked.
      if (/^users\/[^/]+\/unlock\/$/.test(path)) return 'repeatable';
      // users/: the second request answers "exists", of the user the first made.
      // check/: it answers "wrong" to the right code, which the first used up.
      // email/, sms/, voice/: the person gets two codes, and the first is void.
      // factors/: the user has two, and one of them nobody ever saw.
      // recovery_codes/: each request replaces the codes of the one before.
      return 'once';
  }
}

/** The call and the access points, as far as they decide whether there may be another attempt. */
export interface RetryContext {
  effect: Effect;
  policy: RetryPolicy;
  /** Whether the access point that failed has an idempotency store, and the next one shares it. */
  sharesIdempotencyStore: boolean;
}

/** Decides whether a call goes on to the next access point after `failure`: the one rule of retry. */
export function decideRetry(
  failure: Failure,
  { effect, policy, sharesIdempotencyStore }: RetryContext,
): 'next' | 'stop' {
  // GAuthify has decided: the next access point would say the same, and count it again.
  if (failure.kind === 'answered') return 'stop';
  // Chosen by name: go on after anything that is not an answer of GAuthify.
  if (policy === 'legacy') return 'next';
  // The request was not processed, so another attempt is the first.
  if (failure.kind === 'notSent' || failure.kind === 'rejected') return 'next';
  // From here on the request may have been processed. A second one does no harm
  // if it reads, or leaves things as the first did.
  if (effect !== 'once') return 'next';
  // The server knows this call by its idempotency key and repeats its first answer.
  if (sharesIdempotencyStore) return 'next';
  // Two SMS, a right code called wrong, a new user called a conflict: an error
  // is better, since it says that the outcome is not known. A 5xx is no
  // exception: a proxy answers 502 and 504 to requests that the server behind
  // it has processed.
  return 'stop';
}
