import { isObject, type Answer } from './answer.js';
import { errorOfAnswer } from './error-of-answer.js';
import type { Failure } from './failure.js';

/** What follows from one attempt at one access point. */
export type Verdict =
  /** GAuthify did what was asked. */
  { kind: 'data'; data: unknown } | Failure;

// Statuses above 400 which are GAuthify's own answer to this very request.
const FINAL = new Set([401, 402, 404, 406, 409]);

/**
 * Decides what an answer means: the contract's rule of what is an answer of
 * GAuthify, in one place; and, of what is none, whether somebody acted.
 */
export function judgeAnswer(answer: Answer): Verdict {
  const { status } = answer;
  const body = parse(answer.text);
  // First, also for a 401: the login page of a proxy is no word of GAuthify's.
  if (!isObject(body)) {
    const reason = `answered ${status} with something that is no JSON object`;
    // A page below 500 is by whoever stands there instead of GAuthify. What is
    // neither JSON nor a page may be what is left of GAuthify's answer.
    return status < 500 && (status >= 300 || isPage(answer))
      ? { kind: 'turned-away', reason, status }
      : { kind: 'lost', reason, status };
  }
  if (status > 400 && !FINAL.has(status)) {
    const reason = `answered ${status}`;
    // 408 is said of requests that arrived in part; the others were not taken.
    if (status < 500 && status !== 408)
      return { kind: 'turned-away', reason, status };
    // An error GAuthify has a name for is not the end of the access point. It
    // says 500 then; what proxies say has other numbers.
    const code = body['error_code'];
    return status === 500 && typeof code === 'string' && code !== '500'
      ? { kind: 'lost', reason, status, isHealthy: true }
      : { kind: 'lost', reason, status };
  }
  const isSuccess = status >= 200 && status < 300;
  if (!isSuccess) return { kind: 'final', error: errorOfAnswer(answer, body) };
  if (!Object.hasOwn(body, 'data'))
    return {
      kind: 'lost',
      status,
      reason: `answered ${status} without data: is this the URL of a GAuthify server?`,
    };
  return { kind: 'data', data: body['data'] };
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
