import type { MfaVerification } from './mfa.options.js';

/** A code that is being checked, or was. */
export interface RunningCheck {
  /** Which code of whom, and who checks it how. */
  userId: string;
  code: string;
  checker: unknown;
  /** What it was checked for first. */
  subject: object;
  result: Promise<MfaVerification | null>;
}

/**
 * By what brought the code, so that the parts of a request (GraphQL fields, two
 * guards) share one check, whichever module's guard they are behind.
 */
const checks = new WeakMap<object, RunningCheck>();

/** The check that has begun for this code of `carrier`; else begins it. */
export function shareCheck(
  carrier: object,
  wanted: Omit<RunningCheck, 'result'>,
  begin: () => Promise<MfaVerification | null>,
): RunningCheck & { isShared: boolean } {
  const running = checks.get(carrier);
  if (
    running &&
    running.userId === wanted.userId &&
    running.code === wanted.code &&
    running.checker === wanted.checker
  )
    return { ...running, isShared: true };
  const check = { ...wanted, result: begin() };
  checks.set(carrier, check);
  // What could not be checked may be tried again on the same socket.
  check.result.catch(() => {
    if (checks.get(carrier) === check) checks.delete(carrier);
  });
  return { ...check, isShared: false };
}
