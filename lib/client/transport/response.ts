import { ApiKeyError } from '../../contract/errors/api-key.error.js';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import type { GAuthifyError } from '../../contract/errors/gauthify.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { isObject } from './codec.js';
import type { Answer } from './http-client.js';
import type { AttemptResult } from './retry-policy.js';

/** GAuthify's own answers above 400, and what to say if they say nothing. */
const FINAL = {
  401: [ApiKeyError, 'GAuthify refused the API key.'],
  402: [RateLimitError, 'GAuthify’s limit is reached.'],
  404: [NotFoundError, 'GAuthify does not know it.'],
  406: [ParameterError, 'GAuthify refused a parameter.'],
  409: [ConflictError, 'The user exists already.'],
} as const;

/**
 * What an answer means: which answers are GAuthify's, and, of the others,
 * whether the request may have been processed. The contract's rule, in one place.
 */
export function readAnswer(answer: Answer): AttemptResult {
  const { status } = answer;
  const body = parse(answer.text);
  // First, also for a 401: the login page of a proxy is not GAuthify's answer.
  if (!isObject(body)) {
    const reason = `answered ${status} with something that is no JSON object`;
    // A page below 500 comes from another server at the place of GAuthify. What
    // is neither JSON nor a page may be the rest of an answer of GAuthify.
    const isRejected = status < 500 && (status >= 300 || isPage(answer));
    return { kind: isRejected ? 'rejected' : 'indeterminate', reason, status };
  }
  if (status > 400 && !Object.hasOwn(FINAL, status)) {
    const reason = `answered ${status}`;
    // 408 means that a part of the request arrived; other requests were not accepted.
    if (status < 500 && status !== 408)
      return { kind: 'rejected', reason, status };
    // An error with a name of GAuthify's own comes from a server that works, with
    // status 500. Proxies answer with other numbers.
    const code = body['error_code'];
    return status === 500 && typeof code === 'string' && code !== '500'
      ? { kind: 'indeterminate', reason, status, isUnrelated: 'call' }
      : { kind: 'indeterminate', reason, status };
  }
  const isSuccess = status >= 200 && status < 300;
  if (!isSuccess) return { kind: 'answered', error: errorOf(answer, body) };
  if (!Object.hasOwn(body, 'data'))
    return {
      kind: 'indeterminate',
      status,
      reason: `answered ${status} without data: is this the URL of a GAuthify server?`,
    };
  return { kind: 'succeeded', data: body['data'], status };
}

const isPage = ({ headers, text }: Answer): boolean =>
  /html/i.test(String(headers['content-type'])) || /^\s*</.test(text);

function parse(text: string): unknown {
  try {
    // A byte order mark is no part of the text [RFC 8259 §8.1].
    return JSON.parse(text.replace(/^\ufeff/, '')) as unknown;
  } catch {
    return undefined;
  }
}

/** The error that an answer of GAuthify stands for. */
function errorOf(
  { status, headers }: Answer,
  body: Record<string, unknown>,
): GAuthifyError {
  const [Type, otherwise] = FINAL[status as keyof typeof FINAL] ?? [
    ServerError,
    'GAuthify gave an unexpected answer.',
  ];
  const sentence = body['error_message'];
  return new Type(
    typeof sentence === 'string' && sentence !== '' ? sentence : otherwise,
    {
      httpStatus: status,
      errorCode: codeOf(body),
      responseBody: body,
      // Read by RateLimitError alone.
      retryAfterSeconds: retryAfterSeconds(headers['retry-after']),
    },
  );
}

// Codes end up in logs: one that could forge a line of them is dropped.
function codeOf(body: Record<string, unknown>): string | undefined {
  const code = body['error_code'];
  if (typeof code === 'number') return String(code);
  return typeof code === 'string' && /^[\w.-]{1,64}$/.test(code)
    ? code
    : undefined;
}

/**
 * Seconds of a `Retry-After` header, which is a number of seconds or a date
 * [RFC 9110 §10.2.3]; `undefined` if it is missing or neither.
 */
export function retryAfterSeconds(
  header: unknown,
  nowMs = Date.now(),
): number | undefined {
  if (typeof header !== 'string') return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text);
  // Date.parse accepts much that is no date ("-5"); every HTTP date names GMT.
  if (!/GMT$/.test(text)) return undefined;
  const dateMs = Date.parse(text);
  if (Number.isNaN(dateMs)) return undefined;
  return Math.max(0, Math.ceil((dateMs - nowMs) / 1000));
}
