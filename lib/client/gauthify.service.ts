import { HttpService } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import type { AxiosInstance } from 'axios';
import { defer, map, type Observable, of, toArray } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import type { CreateUserDto } from '../contract/dto/create-user.dto.js';
import type { GAuthifyRealm } from '../contract/dto/gauthify-realm.dto.js';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import type { UpdateUserDto } from '../contract/dto/update-user.dto.js';
import { calls } from './calls.js';
import { check, checkAuth, type CheckAuthOptions } from './check.js';
import type { CallOptions } from './client.options.js';
import { FactorCalls } from './factors.js';
import { accessPointsHealth } from './health.js';
import type { AccessPointHealth, HealthOptions } from './health.js';
import { quickTest } from './quick-test.js';
import type { QuickTestOptions, QuickTestStep } from './quick-test.js';
import { GAuthifyTransport } from './transport/call.js';
import { readErrors, readRealm, readUser } from './transport/codec.js';
import type { WireCall } from './transport/http-client.js';
import { OutageProbe } from './transport/outage-probe.js';
import { type UsersOptions, usersStream } from './users.js';

/**
 * The calls of GAuthify.
 *
 * Every method returns a cold Observable: nothing is sent before it is
 * subscribed to, and every subscription is a call of its own. It emits one
 * value and completes ({@link users} emits one per user, {@link quickTest} one
 * per step). Unsubscribing drops the connection and asks no further access
 * point; GAuthify may already have processed the call by then.
 *
 * Most methods take {@link CallOptions} last; {@link checkAuth}, {@link users}
 * and {@link health} take options of their own, {@link quickTest} and
 * {@link isUnreachable} neither.
 *
 * One call may try several access points. If GAuthify may have processed it and
 * the answer was lost, it is retried only if that does no harm; see the option
 * `retry`. "Not repeatable" below is about a second call.
 *
 * Failures are a {@link GAuthifyError} through the Observable, never thrown:
 * {@link ParameterError} names a bad argument, and nothing is sent;
 * {@link ServerError} with code `unreachable` means that no access point could
 * serve the call, with the reasons in `cause`. Each method names its other errors.
 */
@Injectable()
export class GAuthifyService extends FactorCalls {
  constructor(
    transport: GAuthifyTransport,
    private readonly outageProbe: OutageProbe,
    private readonly http: HttpService,
  ) {
    super(transport);
  }

  /** Creates a user. Not repeatable: after a time-out the user may exist. @throws ConflictError a user with this `uniqueId` exists */
  createUser(user: CreateUserDto, options?: CallOptions) {
    return this.callForUser(() => calls.createUser(user), options);
  }

  /**
   * Changes a user: what is left out stays, `null` clears. Repeatable, but each
   * `resetKey` makes another secret.
   *
   * @throws NotFoundError no such user
   */
  updateUser(uniqueId: string, changes: UpdateUserDto, options?: CallOptions) {
    return this.callForUser(() => calls.updateUser(uniqueId, changes), options);
  }

  /** Deletes a user with everything that belongs to them, and emits `true`. @throws NotFoundError no such user, as after a first call */
  deleteUser(uniqueId: string, options?: CallOptions): Observable<true> {
    return this.call(() => calls.deleteUser(uniqueId), options).pipe(
      map(() => true as const),
    );
  }

  /**
   * All users of the realm in one array, in the order of their ids. Holds all of
   * them in memory: prefer {@link users} for large realms. Asks for pages of 1000,
   * the most there is; the times of `options` are those of one page. Repeatable.
   */
  getAllUsers(options?: CallOptions): Observable<GAuthifyUser[]> {
    return this.users({ ...options, pageSize: 1000 }).pipe(toArray());
  }

  /**
   * All users of the realm, one by one, in the order of their ids. Asks for one
   * page at a time, so memory stays small. A user who exists from beginning to
   * end is emitted once, whoever else is created or deleted meanwhile (a server
   * that pages only by number, as the hosted one, may miss some). Repeatable.
   *
   * RxJS has no back-pressure: `users().pipe(concatMap(slow))` collects users in
   * memory. Pass slow work as `each` instead: it is called as `concatMap` would,
   * and the next page is requested when the page before is done.
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
    return usersStream(this.transport, given, each);
  }

  /**
   * Whether each access point answers and accepts the API key; asks all at once.
   * Emits one list in the order of `accessPoints`, also if one is down. Repeatable.
   */
  health(given?: HealthOptions): Observable<AccessPointHealth[]> {
    return accessPointsHealth(this.transport, given);
  }

  /**
   * The axios instance, for interceptors, which see the API key and people's codes.
   * Requests bypass axios until an interceptor is added: that is faster, and
   * ignores `axiosRef.defaults`. For agents of your own use the module's `http`.
   */
  get axiosRef(): AxiosInstance {
    return this.http.axiosRef;
  }

  /** One user. Repeatable. @throws NotFoundError no such user */
  getUser(uniqueId: string, options?: CallOptions): Observable<GAuthifyUser> {
    return this.callForUser(() => calls.getUser(uniqueId), options);
  }

  /**
   * The user whose browser came back from ezGAuth with this token. Not
   * repeatable: a token works once. One call goes on after a lost answer: it then
   * emits the first answer, or errors as for a used token where the server has none.
   *
   * @throws NotFoundError the token is unknown, used, expired or malformed: all look the same
   */
  getUserByToken(token: string, options?: CallOptions) {
    return this.callForUser(() => calls.userByToken(token), options);
  }

  /**
   * Whether the code is right: of an authenticator app, the one-time pass, a
   * recovery code, or one that was sent. A right code is used up. A text that
   * cannot be a code emits `false`, and nothing is sent. Not repeatable: after a
   * time-out the code may be used up, and a second call emits `false`.
   *
   * With `safeMode` it emits `true` while {@link isUnreachable}. All other
   * errors stay errors, also {@link ApiKeyError}: the person being checked must
   * not be able to cause what lets them in.
   *
   * @throws RateLimitError too many attempts; `retryAfterSeconds` says when the next is possible
   * @throws NotFoundError no such user
   */
  checkAuth(uniqueId: string, authCode: string, given?: CheckAuthOptions) {
    const isUnreachable = (error: unknown) => this.isUnreachable(error);
    return checkAuth(this.transport, uniqueId, authCode, given, isUnreachable);
  }

  /**
   * Whether safe mode may let a person in after a call of this client ended with
   * `error`: `checkAuth({ safeMode: true })` and `MfaGuard` use it. Never errors.
   *
   * Emits `true` only if nobody answered the call (an answer of GAuthify counts,
   * and a 4xx of anything in between), no call was answered within the last
   * `timeoutMs`, and an independent probe of every access point fails too: a
   * `GET errors/` on a new connection, for up to `timeoutMs`, and another a second
   * later if something answered the first with a 5xx or a page, unless the outage
   * was confirmed in the last 10 s and nothing answered since. Waiting for a
   * free connection, or for a busy process, is not an outage. One probe serves
   * everyone who waits, and its result is reused for a second.
   */
  isUnreachable(error: unknown): Observable<boolean> {
    return defer(() =>
      this.transport.mayBeOutage(error) ? this.outageProbe.isDown() : of(false),
    );
  }

  /**
   * As {@link checkAuth}, and says which kind of code it was: `method` is `null`
   * if the code was wrong or GAuthify does not say (the hosted service does not).
   *
   * @throws ServerError also if the answer is about another user
   */
  check(uniqueId: string, authCode: string, options?: CallOptions) {
    return check(this.transport, uniqueId, authCode, options);
  }

  /**
   * Sends a code by e-mail, to `email` or to the user's own address. Emits the
   * user. Not repeatable: each call sends another code.
   *
   * @throws ParameterError no address was given, and the user has none
   * @throws RateLimitError too many sends
   * @throws NotFoundError no such user
   */
  sendEmail(uniqueId: string, email?: string, options?: CallOptions) {
    return this.callForUser(() => calls.sendEmail(uniqueId, email), options);
  }

  /** Sends a code by SMS, to `smsNumber` or to the user's own number. Otherwise as {@link sendEmail}. */
  sendSms(uniqueId: string, smsNumber?: string, options?: CallOptions) {
    return this.callForUser(() => calls.sendSms(uniqueId, smsNumber), options);
  }

  /** Speaks a code in a phone call, to `voiceNumber` or to the user's own number. Otherwise as {@link sendEmail}. */
  sendVoice(uniqueId: string, voiceNumber?: string, options?: CallOptions) {
    const call = () => calls.sendVoice(uniqueId, voiceNumber);
    return this.callForUser(call, options);
  }

  /** The realm of the API key: its name and `meta`. Repeatable. */
  realm(options?: CallOptions): Observable<GAuthifyRealm> {
    return this.call(calls.realm, options).pipe(map(readRealm));
  }

  /** Every error code of GAuthify, with what it means. Repeatable. */
  apiErrors(options?: CallOptions): Observable<Record<string, string>> {
    return this.call(calls.apiErrors, options).pipe(map(readErrors));
  }

  /**
   * Tries every call of the v1 API except `token/`, on a user of its own whom it
   * deletes again; sends codes only to the addresses it is given. Emits a {@link QuickTestStep} as each step ends;
   * never errors. Unsubscribing stops it, and still deletes the user.
   */
  quickTest(options: QuickTestOptions = {}): Observable<QuickTestStep> {
    return quickTest(this, options);
  }

  private callForUser(prepare: () => WireCall, options?: CallOptions) {
    return this.callFor(prepare, readUser, options);
  }
}
