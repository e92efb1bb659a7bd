import type { GAuthifyError } from '../../contract/errors/gauthify.error.js';

/** What went wrong with one attempt at one access point, as far as it decides what to do next. */
export type Failure =
  /** GAuthify answered, and every other access point would say the same. */
  | { kind: 'final'; error: GAuthifyError }
  /** Nothing of the request was written: name not found, refused, no TLS, no connection in time. */
  | ({ kind: 'unsent' } & Reason)
  /** Something answered that is not GAuthify, or would not take the request: nobody acted on it. */
  | ({ kind: 'turned-away' } & Reason)
  /**
   * The request was written, or may have been, and no answer of use came: GAuthify may have acted.
   * `isHealthy`: GAuthify itself failed at this call, which says nothing of the access point.
   * `isClosed`: the connection closed, as it does when a server starts anew.
   */
  | ({ kind: 'lost'; isHealthy?: true; isClosed?: true } & Reason);

interface Reason {
  /** For people: the end of a sentence that begins with the access point. */
  reason: string;
  /** HTTP status of the answer, where there was one. */
  status?: number;
  /** The cause is in this process (an interceptor, no free file descriptor): it says nothing of the access point. */
  isOurs?: true;
}
