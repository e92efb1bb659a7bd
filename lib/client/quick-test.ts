import { randomUUID } from 'node:crypto';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  find,
  map,
  of,
  tap,
  type Observable,
} from 'rxjs';
import type { CreateUserDto } from '../contract/dto/create-user.dto.js';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import type { UpdateUserDto } from '../contract/dto/update-user.dto.js';
import { isGAuthifyError } from '../contract/errors/gauthify.error.js';
import { ServerError } from '../contract/errors/server.error.js';

/** Where `GAuthifyService.quickTest` sends codes. A step without an address is left out. */
export interface QuickTestOptions {
  /** E-mail address to send a code to. @default none */
  email?: string | undefined;
  /** Number to send a code to by SMS, E.164. @default none */
  smsNumber?: string | undefined;
  /** Number to call with a code, E.164. @default none */
  voiceNumber?: string | undefined;
}

/** Outcome of one step of `GAuthifyService.quickTest`. */
export interface QuickTestStep {
  /** What was tried: `create user`, `accept the one-time pass`, … */
  name: string;
  /** Whether it succeeded. */
  ok: boolean;
  /** How long it took, milliseconds. */
  durationMs: number;
  /** Why it did not succeed. */
  error?: Error;
}

/** The calls that are tried. */
export interface QuickTestCalls {
  createUser(user: CreateUserDto): Observable<GAuthifyUser>;
  getUser(uniqueId: string): Observable<GAuthifyUser>;
  users(options: { pageSize: number }): Observable<GAuthifyUser>;
  updateUser(uniqueId: string, to: UpdateUserDto): Observable<GAuthifyUser>;
  deleteUser(uniqueId: string): Observable<true>;
  checkAuth(uniqueId: string, authCode: string): Observable<boolean>;
  sendEmail(uniqueId: string, email: string): Observable<GAuthifyUser>;
  sendSms(uniqueId: string, smsNumber: string): Observable<GAuthifyUser>;
  sendVoice(uniqueId: string, voiceNumber: string): Observable<GAuthifyUser>;
  apiErrors(): Observable<unknown>;
}

/** Tries every call of the v1 API except `token/`; see `GAuthifyService.quickTest`, which is its public form. */
export function quickTest(
  gauthify: QuickTestCalls,
  options: QuickTestOptions,
): Observable<QuickTestStep> {
  return defer(() => {
    const uniqueId = `quick-test-${randomUUID()}`;
    let user: GAuthifyUser | undefined;
    let mayExist = false;

    const create$ = defer(() => {
      mayExist = true;
      return gauthify.createUser({ uniqueId, displayName: 'Quick test' });
    }).pipe(
      tap({
        next: (created) => (user = created),
        // A refusal is certain; after a ServerError the user may exist.
        error: (error) =>
          (mayExist = !isGAuthifyError(error) || error instanceof ServerError),
      }),
    );

    const delete$ = gauthify
      .deleteUser(uniqueId)
      .pipe(tap(() => (mayExist = false)));

    return concat(
      step('create user', create$),
      defer(() => (user ? stepsOfUser(gauthify, user, options) : EMPTY)),
      step('list errors', gauthify.apiErrors()),
      defer(() => (user ? step('delete user', delete$) : EMPTY)),
    ).pipe(
      finalize(() => {
        // Unsubscribed half-way, or a step left the user behind. Nobody sees the outcome.
        if (mayExist) delete$.subscribe({ error: () => undefined });
      }),
    );
  });
}

function stepsOfUser(
  gauthify: QuickTestCalls,
  { uniqueId, key, otp }: GAuthifyUser,
  { email, smsNumber, voiceNumber }: QuickTestOptions,
): Observable<QuickTestStep> {
  const displayName = 'Quick test, renamed';
  // As long as the one-time pass and not equal to it, so that no kind of code matches by chance.
  const last = Number(String(otp).slice(-1));
  const wrong = String(otp).slice(0, -1) + String((last + 1) % 10);
  const check = (code: string) => gauthify.checkAuth(uniqueId, code);
  const isRefused = (isRight: boolean) => !isRight || 'the code was accepted';
  return concat(
    step(
      'get user',
      gauthify.getUser(uniqueId),
      (user) => user.key === key || 'it has another key',
    ),
    step(
      'list users',
      gauthify
        .users({ pageSize: 1000 })
        .pipe(find((user) => user.uniqueId === uniqueId)),
      (user) => user !== undefined || 'the list lacks the user',
    ),
    step(
      'update user',
      gauthify.updateUser(uniqueId, { displayName }),
      (user) => user.displayName === displayName || 'the name stayed as it was',
    ),
    step('refuse a wrong code', check(wrong), isRefused),
    step(
      'accept the one-time pass',
      check(otp),
      (isRight) => isRight || 'it was refused',
    ),
    step('refuse the one-time pass a second time', check(otp), isRefused),
    step(
      'reset key',
      gauthify.updateUser(uniqueId, { resetKey: true }),
      (user) => user.key !== key || 'the key stayed as it was',
    ),
    email === undefined
      ? EMPTY
      : step('send e-mail', gauthify.sendEmail(uniqueId, email)),
    smsNumber === undefined
      ? EMPTY
      : step('send SMS', gauthify.sendSms(uniqueId, smsNumber)),
    voiceNumber === undefined
      ? EMPTY
      : step('call by voice', gauthify.sendVoice(uniqueId, voiceNumber)),
  );
}

/** Runs one step. It succeeds unless it errors, or `judge` says in words what is wrong with the result. */
function step<T>(
  name: string,
  run$: Observable<T>,
  judge: (result: T) => true | string = () => true,
): Observable<QuickTestStep> {
  return defer(() => {
    const startedAt = performance.now();
    const end = (error?: Error): QuickTestStep => ({
      name,
      ok: error === undefined,
      durationMs: performance.now() - startedAt,
      ...(error && { error }),
    });
    return run$.pipe(
      map((result) => {
        const verdict = judge(result);
        return end(verdict === true ? undefined : new Error(verdict));
      }),
      catchError((error: unknown) =>
        of(end(error instanceof Error ? error : new Error(String(error)))),
      ),
    );
  });
}
