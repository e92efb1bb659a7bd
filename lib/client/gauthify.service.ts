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
  toArray,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import { isPossibleAuthCode } from '../contract/dto/auth-code.js';
import { CheckAuthDto } from '../contract/dto/check-auth.dto.js';
import type { CheckResult } from '../contract/dto/check-result.dto.js';
import { CreateUserDto } from '../contract/dto/create-user.dto.js';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import { SendEmailDto } from '../contract/dto/send-email.dto.js';
import { SendSmsDto } from '../contract/dto/send-sms.dto.js';
import { SendVoiceDto } from '../contract/dto/send-voice.dto.js';
import { TokenDto } from '../contract/dto/token.dto.js';
import { UpdateUserDto } from '../contract/dto/update-user.dto.js';
import type {
  AccessPointHealth,
  HealthOptions,
} from './access-point-health.interface.js';
import type {
  QuickTestOptions,
  QuickTestStep,
} from './quick-test.interface.js';
import type {
  CallOptions,
  CheckAuthOptions,
  UsersOptions,
} from './client.options.js';
import { quickTest } from './quick-test.js';
import { checkCallOptions } from './transport/check-call-options.js';
import { GAuthifyTransport } from './transport/gauthify.transport.js';
import { OutageProbe } from './transport/outage-probe.js';
import {
  readCheckResult,
  readErrors,
  readList,
  readUser,
} from './transport/read-data.js';
import { toParams } from './transport/to-params.js';
import { userPath } from './transport/user-path.js';
import type { WireCall } from './transport/wire-call.js';
import { usersStream } from './users.js';
import { usersQuery } from './transport/users-query.js';

/** {@link CheckAuthDto} on the wire. */
type CheckParams = Record<'unique_id' | 'auth_code', string>;

/** What a page of users holds at most [contract]. */
const MAX_PAGE_SIZE = 1000;

/**
 * The calls of GAuthify.
 *
 * Every method returns a cold Observable: nothing is sent before it is
 * subscribed to, and every subscription is a call of its own. It emits one
 * value and completes ({@link quickTest} emits one per step, {@link users} one
 * per user). Unsubscribing drops the connection and asks no further access
 * point; GAuthify may already have processed the call by then. Most methods
 * take {@link CallOptions} as their last argument; {@link checkAuth},
 * {@link users} and {@link health} take options of their own, and
 * {@link quickTest} and {@link isUnreachable} take none of these.
 *
 * One call may try several access points: where GAuthify may have processed it
 * and the answer was lost, it is retried only if that does no harm; see the
 * option `retry`. "Not repeatable" below is about a second call.
 *
 * Failures are a {@link GAuthifyError} through the Observable, never thrown. A
 * bad argument is a {@link ParameterError} that names it, and nothing is sent;
 * a {@link ServerError} means that no access point could serve the call, with
 * the reasons in `cause`, or that an answer made no sense. Each method names
 * its other errors.
 */
@Injectable()
export class GAuthifyService {
  private readonly logger = new Logger(GAuthifyService.name);

  constructor(
    private readonly transport: GAuthifyTransport,
    private readonly outageProbe: OutageProbe,
  ) {}

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
   * but each `resetKey` makes another secret. Sent as a form; as JSON where a
   * value is `null`, because in a form GAuthify takes an empty value for
   * "unchanged".
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

  /**
   * All users of the realm in one array, in the order of their ids. Collects
   * what {@link users} emits, by pages of 1000; the times of `options` are
   * those of one page. Holds all users in memory: prefer {@link users} for
   * large realms. May be repeated.
   */
  getAllUsers(options?: CallOptions): Observable<GAuthifyUser[]> {
    return this.users({ ...options, pageSize: MAX_PAGE_SIZE }).pipe(toArray());
  }

  /**
   * All users of the realm, one by one, in the order of their ids; asks for a
   * page at a time, so that any number of them passes through little memory,
   * and yields to the event loop every 100 users.
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
        ).pipe(map(readList)),
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
   * one that was sent. A right code is used up by this. A text that cannot be
   * a code, whatever the user, emits `false` and nothing is sent. Not
   * repeatable: after a time-out the code may be used up, and a second call
   * emits `false`.
   *
   * With `safeMode` it emits `true` where GAuthify is unreachable; see
   * {@link isUnreachable}, which decides it. All other errors stay errors, also
   * an {@link ApiKeyError}: the person being checked must not be able to bring
   * about what lets them in.
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
      catchError((error: unknown) =>
        this.isUnreachable(error).pipe(
          map((isUnreachable) => {
            if (!isUnreachable) throw error;
            this.logger.warn(
              // Written by our transport: access points and what happened at them.
              `safeMode let someone in without a check: ${(error as { cause: Error }).cause.message}`,
            );
            return true;
          }),
        ),
      ),
    );
  }

  /**
   * Whether safe mode may let a person in after a call of this client ended
   * with `error`: what `checkAuth({ safeMode: true })` and `MfaGuard` go by.
   *
   * Emits `true` only if nobody answered the call (an answer of GAuthify, or a
   * 4xx of anybody in between, is one), and an independent probe of every
   * access point fails too: a `GET errors/` on a new connection, which takes up
   * to `timeoutMs`. Waiting for connections of our own, and a process that is
   * too busy to tell, count as reachable. Emits one value; never errors. One
   * probe serves all who wait for it, and its result is reused for a second.
   * Unsubscribing ends the waiting.
   */
  isUnreachable(error: unknown): Observable<boolean> {
    return defer(() =>
      this.transport.mayBeOutage(error) ? this.outageProbe.isDown() : of(false),
    );
  }

  /**
   * As {@link checkAuth}, and says which kind of code it was: `method` is
   * `null` where the code was wrong, and where GAuthify does not say (the hosted
   * service does not).
   *
   * @throws ServerError also where the answer is about another user
   */
  check(
    uniqueId: string,
    authCode: string,
    options?: CallOptions,
  ): Observable<CheckResult> {
    return defer(() => {
      const given = checkCallOptions(options);
      const params = toParams(CheckAuthDto, { uniqueId, authCode });
      const { unique_id: id, auth_code: code } = params as CheckParams;
      if (!isPossibleAuthCode(code))
        return of({ uniqueId: id, authenticated: false, method: null });
      return this.transport
        .call({ method: 'POST', path: 'check/', params }, given)
        .pipe(map((data) => readCheckResult(id, data)));
    });
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
