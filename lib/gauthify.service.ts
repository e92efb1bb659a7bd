import { Injectable, Logger } from '@nestjs/common';
import type { AxiosInstance } from 'axios';
import {
  catchError,
  concatMap,
  defer,
  forkJoin,
  identity,
  map,
  of,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import { CheckAuthDto } from './dto/check-auth.dto.js';
import type { CheckResult } from './dto/check-result.dto.js';
import { CreateUserDto } from './dto/create-user.dto.js';
import type { GAuthifyUser } from './dto/gauthify-user.dto.js';
import { SendEmailDto } from './dto/send-email.dto.js';
import { SendSmsDto } from './dto/send-sms.dto.js';
import { SendVoiceDto } from './dto/send-voice.dto.js';
import { TokenDto } from './dto/token.dto.js';
import { UpdateUserDto } from './dto/update-user.dto.js';
import { isVerifierFailure } from './errors/is-verifier-failure.js';
import type {
  AccessPointHealth,
  HealthOptions,
} from './interfaces/access-point-health.interface.js';
import type { CallOptions } from './interfaces/call-options.interface.js';
import type { CheckAuthOptions } from './interfaces/check-auth-options.interface.js';
import type {
  QuickTestOptions,
  QuickTestStep,
} from './interfaces/quick-test.interface.js';
import type { UsersOptions } from './interfaces/users-options.interface.js';
import { quickTest } from './quick-test.js';
import { checkCallOptions } from './transport/check-call-options.js';
import { GAuthifyTransport } from './transport/gauthify.transport.js';
import {
  readCheckResult,
  readErrors,
  readUser,
  readUsers,
} from './transport/read-data.js';
import { toParams } from './transport/to-params.js';
import { userPath } from './transport/user-path.js';
import type { WireCall } from './transport/wire-call.js';
import { usersStream } from './users-stream.js';
import { usersQuery } from './transport/users-query.js';

/**
 * The calls of GAuthify.
 *
 * Every method returns a cold Observable: nothing is sent before it is
 * subscribed to, and every subscription is a call of its own. It emits one
 * value and completes ({@link quickTest} emits one per step, {@link users} one
 * per user). Unsubscribing drops the connection and asks no further access
 * point; GAuthify may have done what was asked by then. Each call takes
 * {@link CallOptions} last.
 *
 * A call is one call however many access points it takes: where GAuthify may
 * have acted and its answer was lost, it is asked again only if that does no
 * harm; see the option `retry`. "Not repeatable" below is about a second call.
 *
 * What goes wrong is a {@link GAuthifyError}, through the Observable and never
 * thrown. A bad argument is a {@link ParameterError} which names it, and no
 * request; a {@link ServerError} means that no access point was of use, and
 * has the reasons in `cause`. Each method names what else there is.
 */
@Injectable()
export class GAuthifyService {
  private readonly logger = new Logger(GAuthifyService.name);

  constructor(private readonly transport: GAuthifyTransport) {}

  /**
   * Makes a user. Not repeatable: after a time-out the user may exist, and a
   * second call says {@link ConflictError}.
   *
   * @throws ConflictError a user with this `uniqueId` exists
   */
  createUser(
    user: CreateUserDto,
    options?: CallOptions,
  ): Observable<GAuthifyUser> {
    return this.call(
      () => ({
        method: 'POST',
        path: 'users/',
        params: toParams(CreateUserDto, user),
      }),
      options,
    ).pipe(map(readUser));
  }

  /**
   * Changes a user: what is left out stays, `null` clears. May be repeated,
   * but each `resetKey` makes another secret.
   *
   * @throws NotFoundError no such user
   */
  updateUser(
    uniqueId: string,
    changes: UpdateUserDto,
    options?: CallOptions,
  ): Observable<GAuthifyUser> {
    return this.call(
      () => ({
        method: 'PUT',
        path: userPath(uniqueId),
        params: toParams(UpdateUserDto, changes),
      }),
      options,
    ).pipe(map(readUser));
  }

  /**
   * Deletes a user with all that belongs to them. Emits `true`. A repetition
   * says {@link NotFoundError}.
   *
   * @throws NotFoundError no such user
   */
  deleteUser(uniqueId: string, options?: CallOptions): Observable<true> {
    return this.call(
      () => ({
        method: 'DELETE',
        path: userPath(uniqueId),
      }),
      options,
    ).pipe(map(() => true as const));
  }

  /** All users of the realm. May be repeated. */
  getAllUsers(options?: CallOptions): Observable<GAuthifyUser[]> {
    return this.call(() => ({ method: 'GET', path: 'users/' }), options).pipe(
      map(readUsers),
    );
  }

  /**
   * All users of the realm, one by one, in the order of their ids; asks for a
   * page at a time, so that any number of them passes through little memory.
   * Who is there from beginning to end is emitted once, whoever else is made or
   * deleted meanwhile (with a GAuthify that pages by number alone, as the
   * hosted one: some may be missed or come twice then). May be repeated.
   *
   * RxJS has no back-pressure: `users().pipe(concatMap(slow))` heaps up users
   * in `concatMap`. Give what is slow as `each` instead: it is called as
   * `concatMap` would, and a page is asked for when the one before is through.
   * To stop early, unsubscribe (`take`, `first`, …).
   *
   * @example
   * ```ts
   * gauthify.users({ pageSize: 500 }, (user) => this.mailer.send(user.email))
   * ```
   */
  users(options?: UsersOptions): Observable<GAuthifyUser>;
  users<R>(
    options: UsersOptions,
    each: (user: GAuthifyUser) => ObservableInput<R>,
  ): Observable<R>;
  users<R>(
    given?: UsersOptions,
    each?: (user: GAuthifyUser) => ObservableInput<R>,
  ): Observable<R | GAuthifyUser> {
    const { pageSize = 100, ...options } = given ?? {};
    return usersStream<R | GAuthifyUser>(
      (after, page) =>
        this.call(
          () => ({
            method: 'GET',
            path: 'users/',
            query: usersQuery({ after, page, pageSize }),
          }),
          options,
        ).pipe(map(readUsers)),
      pageSize,
      each ? concatMap((user: GAuthifyUser) => each(user)) : identity,
    );
  }

  /**
   * Whether each access point answers and takes the API key, all asked at once.
   * Emits one list, in the order of the option `accessPoints`; never errors for
   * an access point that is down. May be repeated.
   */
  health(given?: HealthOptions): Observable<AccessPointHealth[]> {
    return defer(() => {
      const options = checkCallOptions({ timeoutMs: given?.timeoutMs });
      const startedAt = performance.now();
      return forkJoin(
        this.transport.accessPoints.list().map((point) =>
          this.transport.probe(point, options).pipe(
            map((reason): AccessPointHealth => ({
              url: point.url,
              status: reason === undefined ? 'up' : 'down',
              durationMs: performance.now() - startedAt,
              ...(reason !== undefined && { reason }),
            })),
          ),
        ),
      );
    });
  }

  /**
   * The axios instance that makes the requests, for interceptors. They see the
   * API key and people's codes.
   */
  get axiosRef(): AxiosInstance {
    return this.transport.axiosRef;
  }

  /**
   * One user. May be repeated.
   *
   * @throws NotFoundError no such user
   */
  getUser(uniqueId: string, options?: CallOptions): Observable<GAuthifyUser> {
    return this.call(
      () => ({
        method: 'GET',
        path: userPath(uniqueId),
      }),
      options,
    ).pipe(map(readUser));
  }

  /**
   * The user whose browser came back from ezGAuth with this token. Not
   * repeatable: a token is good for one call.
   *
   * @throws NotFoundError the token is unknown, used, expired or malformed: all look the same
   */
  getUserByToken(
    token: string,
    options?: CallOptions,
  ): Observable<GAuthifyUser> {
    return this.call(
      () => ({
        method: 'POST',
        path: 'token/',
        params: toParams(TokenDto, { token }),
      }),
      options,
    ).pipe(map(readUser));
  }

  /**
   * Whether the code is right: of the authenticator app, the one-time pass, or
   * one that was sent. A right code is used up by this. Not repeatable: after
   * a time-out the code may be used up, and a second call says `false`.
   *
   * With `safeMode` it emits `true` where GAuthify cannot tell: it is
   * unreachable, fails, or refuses our key. An error the person at the other
   * end can bring about is still an error: else whoever lacks the code would
   * send an empty one ({@link ParameterError}), guess until GAuthify looks no
   * more ({@link RateLimitError}), or name a user who never enrolled
   * ({@link NotFoundError}), and be let in.
   *
   * @throws RateLimitError too many attempts; `retryAfterSeconds` says when there may be another
   * @throws NotFoundError no such user
   */
  checkAuth(
    uniqueId: string,
    authCode: string,
    given?: CheckAuthOptions,
  ): Observable<boolean> {
    const { safeMode, ...options } = given ?? {};
    const authenticated$ = this.check(uniqueId, authCode, options).pipe(
      map(({ authenticated }) => authenticated),
    );
    if (safeMode !== true) return authenticated$;
    return authenticated$.pipe(
      catchError((error: unknown) => {
        if (!isVerifierFailure(error)) throw error;
        this.logger.warn(
          `safeMode let someone in without a check: ${error.name} (${error.errorCode})`,
        );
        return of(true);
      }),
    );
  }

  /** Whether safe mode may let someone in after this error. Emits one value, never errors. */
  isUnreachable(error: unknown): Observable<boolean> {
    return of(isVerifierFailure(error));
  }

  /**
   * As {@link checkAuth}, and says which kind of code it was: `method` is
   * `null` where the code was wrong, and where GAuthify does not say (the hosted
   * service does not).
   */
  check(
    uniqueId: string,
    authCode: string,
    options?: CallOptions,
  ): Observable<CheckResult> {
    return this.call(
      () => ({
        method: 'POST',
        path: 'check/',
        params: toParams(CheckAuthDto, { uniqueId, authCode }),
      }),
      options,
    ).pipe(map((data) => readCheckResult(uniqueId, data)));
  }

  /**
   * Sends a code by e-mail, to `email` or to the user's own address. Emits the
   * user. Not repeatable at once: each call sends another code.
   *
   * @throws ParameterError no address given, and none on file
   * @throws RateLimitError too many sends
   * @throws NotFoundError no such user
   */
  sendEmail(
    uniqueId: string,
    email?: string,
    options?: CallOptions,
  ): Observable<GAuthifyUser> {
    return this.call(
      () => ({
        method: 'POST',
        path: 'email/',
        params: toParams(SendEmailDto, { uniqueId, email }),
      }),
      options,
    ).pipe(map(readUser));
  }

  /** Sends a code by SMS, to `smsNumber` or to the user's own number. Else as {@link sendEmail}. */
  sendSms(
    uniqueId: string,
    smsNumber?: string,
    options?: CallOptions,
  ): Observable<GAuthifyUser> {
    return this.call(
      () => ({
        method: 'POST',
        path: 'sms/',
        params: toParams(SendSmsDto, { uniqueId, smsNumber }),
      }),
      options,
    ).pipe(map(readUser));
  }

  /** Tells a code by voice call, to `voiceNumber` or to the user's own number. Else as {@link sendEmail}. */
  sendVoice(
    uniqueId: string,
    voiceNumber?: string,
    options?: CallOptions,
  ): Observable<GAuthifyUser> {
    return this.call(
      () => ({
        method: 'POST',
        path: 'voice/',
        params: toParams(SendVoiceDto, { uniqueId, voiceNumber }),
      }),
      options,
    ).pipe(map(readUser));
  }

  /** Every error code of GAuthify, with what it means. May be repeated. */
  apiErrors(options?: CallOptions): Observable<Record<string, string>> {
    return this.call(() => ({ method: 'GET', path: 'errors/' }), options).pipe(
      map(readErrors),
    );
  }

  /**
   * Tries every call on a user of its own, whom it deletes again; sends codes
   * only where it is given an address. For a developer's console or a health
   * page.
   *
   * Emits a {@link QuickTestStep} as each step ends, and completes; never
   * errors. Unsubscribing ends it; the user is then deleted too, as far as
   * GAuthify can be reached.
   */
  quickTest(options: QuickTestOptions = {}): Observable<QuickTestStep> {
    return quickTest(this, options);
  }

  /** Nothing of `prepare`, which may find an argument bad, happens before subscription. */
  private call(
    prepare: () => WireCall,
    options?: CallOptions,
  ): Observable<unknown> {
    return defer(() =>
      this.transport.call(prepare(), checkCallOptions(options)),
    );
  }
}
