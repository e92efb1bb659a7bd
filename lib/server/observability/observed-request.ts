import type { IncomingMessage, ServerResponse } from 'node:http';

/** Node's request, with what is noted on it for those who observe it. */
export interface ObservedRequest extends IncomingMessage {
  /** The realm of the API key. */
  gauthifyRealm?: string;
  /** The id of the API key. */
  gauthifyKeyId?: string;
  /** The route that was found, as the controllers declare it: `v1/users/:uniqueId`. */
  gauthifyRoute?: string;
  /** What observes the request. */
  gauthifyObserved?: Observed;
}

/** What is known of a request before it ends. */
export interface Observed {
  /** The `request_id` of its answer. */
  requestId?: string;
  /** The `error_code` of its answer. */
  errorCode?: string;
  /** Runs work inside the request's span; `undefined` without one. */
  run: ((work: () => void) => void) | undefined;
}

/** Notes what the envelope of an answer says, for whoever observes its request. */
export function noteAnswer({ req }: ServerResponse, body: unknown): void {
  const observed = (req as ObservedRequest).gauthifyObserved;
  if (!observed || typeof body !== 'object' || body === null) return;
  const { request_id, error_code } = body as Record<string, string | undefined>;
  if (request_id) observed.requestId = request_id;
  if (error_code) observed.errorCode = error_code;
}
