import type { GAuthifyError } from '../errors/gauthify.error.js';
import { isObject, type Answer } from './answer.js';
import { errorOfAnswer } from './error-of-answer.js';

/** What follows from one attempt at one access point. */
export type Verdict =
  /** GAuthify did what was asked. */
  | { kind: 'data'; data: unknown }
  /** GAuthify refused, and every other access point would too. */
  | { kind: 'error'; error: GAuthifyError }
  /** This access point is of no use now: ask the next. */
  | { kind: 'next'; reason: string };

// Statuses above 400 which are GAuthify's own answer to this very request.
const FINAL = new Set([401, 402, 404, 406, 409]);

/**
 * Decides what an answer means: the contract's rule of when to move on to the
 * next access point, in one place. (No answer at all is always `next`.)
 */
export function judgeAnswer(answer: Answer): Verdict {
  const { status } = answer;
  const body = parse(answer.text);
  // First, also for a 401: the login page of a proxy is no word of GAuthify's.
  if (!isObject(body))
    return next(`answered ${status} with something that is no JSON object`);
  if (status > 400 && !FINAL.has(status)) return next(`answered ${status}`);
  const isSuccess = status >= 200 && status < 300;
  if (!isSuccess) return { kind: 'error', error: errorOfAnswer(answer, body) };
  if (!Object.hasOwn(body, 'data'))
    return next(
      `answered ${status} without data: is this the URL of a GAuthify server?`,
    );
  return { kind: 'data', data: body['data'] };
}

function next(reason: string): Verdict {
  return { kind: 'next', reason };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
