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
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import { isGAuthifyError } from '../contract/errors/gauthify.error.js';
import { ServerError } from '../contract/errors/server.error.js';
import type { GAuthifyService } from './gauthify.service.js';
import type {
  QuickTestOptions,
  QuickTestStep,
} from './quick-test.interface.js';

/** Tries every call; see `GAuthifyService.quickTest`, which is its public form. */
export function quickTest(
  gauthify: GAuthifyService,
  { email, smsNumber, voiceNumber }: QuickTestOptions,
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
        // A refusal is certain; after a ServerError the user may exist all the same.
        error: (error) =>
          (mayExist = !isGAuthifyError(error) || error instanceof ServerError),
      }),
      map(({ uniqueId: id }) => id === uniqueId || 'it has another id'),
    );

    const withUser = (
      steps: (user: GAuthifyUser) => Observable<QuickTestStep>,
    ) => defer(() => (user ? steps(user) : EMPTY));

    const delete$ = gauthify
      .deleteUser(uniqueId)
      .pipe(tap(() => (mayExist = false)));

    return concat(
      step('create user', create$),
      withUser((created) =>
        concat(
          stepsOfUser(gauthify, created),
          stepsOfCodes(gauthify, created),
          email === undefined
            ? EMPTY
            : step('send e-mail', gauthify.sendEmail(uniqueId, email)),
          smsNumber === undefined
            ? EMPTY
            : step('send SMS', gauthify.sendSms(uniqueId, smsNumber)),
          voiceNumber === undefined
            ? EMPTY
            : step('call by voice', gauthify.sendVoice(uniqueId, voiceNumber)),
        ),
      ),
      step('list errors', gauthify.apiErrors()),
      withUser(() => step('delete user', delete$)),
    ).pipe(
      finalize(() => {
        // Unsubscribed half-way, or a step left the user behind: nobody listens any more.
        if (mayExist) delete$.subscribe({ error: () => undefined });
      }),
    );
  });
}

function stepsOfUser(
  gauthify: GAuthifyService,
  { uniqueId, key }: GAuthifyUser,
): Observable<QuickTestStep> {
  const displayName = 'Quick test, renamed';
  return concat(
    step(
      'get user',
      gauthify
        .getUser(uniqueId)
        .pipe(map((user) => user.key === key || 'it has another key')),
    ),
    step(
      'list users',
      gauthify.users({ pageSize: 1000 }).pipe(
        find((user) => user.uniqueId === uniqueId),
        map((user) => user !== undefined || 'the list lacks the user'),
      ),
    ),
    step(
      'update user',
      gauthify
        .updateUser(uniqueId, { displayName })
        .pipe(
          map(
            (user) =>
              user.displayName === displayName || 'the name stayed as it was',
          ),
        ),
    ),
  );
}

function stepsOfCodes(
  gauthify: GAuthifyService,
  { uniqueId, otp, key }: GAuthifyUser,
): Observable<QuickTestStep> {
  // As long as the one-time pass, which it is not, so that no kind of code can match by chance.
  const last = Number(String(otp).slice(-1));
  const wrong = String(otp).slice(0, -1) + String((last + 1) % 10);
  const refuses = (code: string) =>
    gauthify
      .checkAuth(uniqueId, code)
      .pipe(map((authenticated) => !authenticated || 'the code was accepted'));
  return concat(
    step('refuse a wrong code', refuses(wrong)),
    step(
      'accept the one-time pass',
      gauthify
        .checkAuth(uniqueId, otp)
        .pipe(map((authenticated) => authenticated || 'it was refused')),
    ),
    step('refuse the one-time pass a second time', refuses(otp)),
    step(
      'reset key',
      gauthify
        .updateUser(uniqueId, { resetKey: true })
        .pipe(map((user) => user.key !== key || 'the key stayed as it was')),
    ),
  );
}

/** Runs one step. What it emits is fine, unless it is a string: that says what is not. */
function step(
  name: string,
  run$: Observable<unknown>,
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
      map((result) =>
        end(typeof result === 'string' ? new Error(result) : undefined),
      ),
      catchError((error: unknown) =>
        of(end(error instanceof Error ? error : new Error(String(error)))),
      ),
    );
  });
}
