import { formOf } from './codec.js';
import { VERSION } from './version.js';

/** Makes HTTP requests. Implemented by `UndiciClient` and `AxiosClient`. */
export interface HttpClient {
  /** Starts a request. */
  send(request: HttpRequest): PendingRequest;
  /** Whether even a request with `isApart` may have to wait for a free connection. */
  mayWaitForConnection(): boolean;
}

/** Injection token of the {@link HttpClient}. */
export const HTTP_CLIENT = Symbol('GAUTHIFY_HTTP_CLIENT');

/** An HTTP request, complete but for its authorization. */
export interface HttpRequest {
  method: WireCall['method'];
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** Made on a new connection outside the pool. */
  isApart: boolean;
  /** The largest body of the answer, bytes: a larger one is an error. */
  maxAnswerBytes: number;
}

/** A request under way. */
export interface PendingRequest {
  /** Rejects with an error whose `code` is Node's or axios's. */
  readonly answer: Promise<Answer>;
  /** Drops the connection. Does nothing once the request has ended. */
  abort(): void;
  /** Whether nothing of it was written; `undefined`: not known. */
  isUnwritten(): boolean | undefined;
}

/** An HTTP answer as it arrived. */
export interface Answer {
  status: number;
  /** By lower-case name. */
  headers: Record<string, unknown>;
  /** Body, decoded from UTF-8 and not parsed. */
  text: string;
}

/** The largest body of an answer, bytes. */
const MAX_ANSWER_BYTES = 2 ** 20;
/** The same of a list: a server without pages sends all its users at once. */
const MAX_LIST_BYTES = 128 * 2 ** 20;

/** `code` of the error of a larger body. */
export const TOO_LARGE = 'ANSWER_TOO_LARGE';

/** One call of the GAuthify API, in the terms of the wire. */
export interface WireCall {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the access point, percent-encoded, with a trailing slash: `users/jane/`. */
  path: string;
  /** The user it is about, if it names one: so must the answer. */
  uniqueId?: string | undefined;
  /** By their names on the wire. `null` clears the value. */
  params?: Record<string, string | null>;
  /** The query string, without `?`; never with a secret. */
  query?: string;
  /** Made on a new connection outside the pool. */
  isApart?: boolean;
}

/** A call that changes nothing: shows whether an access point works. */
export const HARMLESS_CALL: WireCall = { method: 'GET', path: 'errors/' };

/** A path that names nobody, for logs and metrics: `users/{unique_id}/factors/{factor}/`. */
export const templateOf = ({ path }: WireCall): string =>
  path
    // Ids are percent-encoded: they contain no slash.
    .replace(/^(users\/)[^/]+/, '$1{unique_id}')
    .replace(/(\/factors\/)[^/]+/, '$1{factor}');

/** The HTTP request of a call at an access point. */
export function requestOf(
  accessPoint: string,
  { method, path, params, query, isApart = false }: WireCall,
  idempotencyKey: string | undefined,
): HttpRequest {
  const headers: Record<string, string> = {
    Accept: 'application/json',
    // Compressed bodies are not supported.
    'Accept-Encoding': 'identity',
    'User-Agent': `nestjs-gauthify/${VERSION}`,
  };
  // In the body alone: access logs record the query, and with it codes and tokens.
  const [type, body] = params ? bodyOf(method, params) : [];
  if (type) headers['Content-Type'] = type;
  if (idempotencyKey) headers['Idempotency-Key'] = idempotencyKey;
  const url = accessPoint + path + (query ? `?${query}` : '');
  const isList = method === 'GET' && path === 'users/';
  const maxAnswerBytes = isList ? MAX_LIST_BYTES : MAX_ANSWER_BYTES;
  return { method, url, headers, body, isApart, maxAnswerBytes };
}

/**
 * Media type and text of a body. A form, which every GAuthify server reads. Only
 * an update with `null` is JSON: in a form an empty value means "unchanged",
 * because old clients send what they do not set as empty.
 */
function bodyOf(
  method: WireCall['method'],
  params: Record<string, string | null>,
): [type: string, text: string] {
  return method === 'PUT' && Object.values(params).includes(null)
    ? ['application/json', JSON.stringify(params)]
    : ['application/x-www-form-urlencoded', formOf(params)];
}
