import { Injectable, Logger } from '@nestjs/common';
import { catchError, defer, map, of, type Observable } from 'rxjs';
import { CheckAuthDto } from './dto/check-auth.dto.js';
import type { CheckResult } from './dto/check-result.dto.js';
import { CreateUserDto } from './dto/create-user.dto.js';
import type { GAuthifyUser } from './dto/gauthify-user.dto.js';
import { SendEmailDto } from './dto/send-email.dto.js';
import { SendSmsDto } from './dto/send-sms.dto.js';
import { SendVoiceDto } from './dto/send-voice.dto.js';
import { TokenDto } from './dto/token.dto.js';
import { UpdateUserDto } from './dto/update-user.dto.js';
import type { CheckAuthOptions } from './interfaces/check-auth-options.interface.js';
import type {
  QuickTestOptions,
  QuickTestStep,
} from './interfaces/quick-test.interface.js';
import { quickTest } from './quick-test.js';
import {
  GAuthifyTransport,
  type WireCall,
} from './transport/gauthify.transport.js';
import { isVerifierFailure } from './errors/is-verifier-failure.js';
import {
  readCheckResult,
  readErrors,
  readUser,
  readUsers,
} from './transport/read-data.js';
import { toParams } from './transport/to-params.js';
import { userPath } from './transport/user-path.js';

/**
 * The calls of GAuthify.
 *
 * Every method returns a cold Observable: nothing is sent before it is
 * subscribed to, and every subscription is a call of its own. It emits one
 * value and completes ({@link quickTest} emits one per step). Unsubscribing
 * drops the connection and asks no further access point; GAuthify may have
 * done what was asked by then.
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
   * second call, or the next access point, says {@link ConflictError}.
   *
   * @throws ConflictError a user with this `uniqueId` exists
   */
  createUser(user: CreateUserDto): Observable<GAuthifyUser> {
    return this.call(() => ({
      method: 'POST',
      path: 'users/',
      params: toParams(CreateUserDto, user),
    })).pipe(map(readUser));
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
  ): Observable<GAuthifyUser> {
    return this.call(() => ({
      method: 'PUT',
      path: userPath(uniqueId),
      params: toParams(UpdateUserDto, changes),
    })).pipe(map(readUser));
  }

  /**
   * Deletes a user with all that belongs to them. Emits `true`. A repetition
   * says {@link NotFoundError}.
   *
   * @throws NotFoundError no such user
   */
  deleteUser(uniqueId: string): Observable<true> {
    return this.call(() => ({
      method: 'DELETE',
      path: userPath(uniqueId),
    })).pipe(map(() => true as const));
  }

  /** All users of the realm. May be repeated. */
  getAllUsers(): Observable<GAuthifyUser[]> {
    return this.call(() => ({ method: 'GET', path: 'users/' })).pipe(
      map(readUsers),
    );
  }

  /**
   * One user. May be repeated.
   *
   * @throws NotFoundError no such user
   */
  getUser(uniqueId: string): Observable<GAuthifyUser> {
    return this.call(() => ({
      method: 'GET',
      path: userPath(uniqueId),
    })).pipe(map(readUser));
  }

  /**
   * The user whose browser came back from ezGAuth with this token. Not
   * repeatable: a token is good for one call.
   *
   * @throws NotFoundError the token is unknown, used, expired or malformed: all look the same
   */
  getUserByToken(token: string): Observable<GAuthifyUser> {
    return this.call(() => ({
      method: 'POST',
      path: 'token/',
      params: toParams(TokenDto, { token }),
    })).pipe(map(readUser));
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
    { safeMode = false }: CheckAuthOptions = {},
  ): Observable<boolean> {
    const authenticated$ = this.check(uniqueId, authCode).pipe(
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

  /**
   * As {@link checkAuth}, and says which kind of code it was: `method` is
   * `null` where the code was wrong, and where GAuthify does not say (the hosted
   * service does not).
   */
  check(uniqueId: string, authCode: string): Observable<CheckResult> {
    return this.call(() => ({
      method: 'POST',
      path: 'check/',
      params: toParams(CheckAuthDto, { uniqueId, authCode }),
    })).pipe(map((data) => readCheckResult(uniqueId, data)));
  }

  /**
   * Sends a code by e-mail, to `email` or to the user's own address. Emits the
   * user. Not repeatable at once: each call sends another code.
   *
   * @throws ParameterError no address given, and none on file
   * @throws RateLimitError too many sends
   * @throws NotFoundError no such user
   */
  sendEmail(uniqueId: string, email?: string): Observable<GAuthifyUser> {
    return this.call(() => ({
      method: 'POST',
      path: 'email/',
      params: toParams(SendEmailDto, { uniqueId, email }),
    })).pipe(map(readUser));
  }

  /** Sends a code by SMS, to `smsNumber` or to the user's own number. Else as {@link sendEmail}. */
  sendSms(uniqueId: string, smsNumber?: string): Observable<GAuthifyUser> {
    return this.call(() => ({
      method: 'POST',
      path: 'sms/',
      params: toParams(SendSmsDto, { uniqueId, smsNumber }),
    })).pipe(map(readUser));
  }

  /** Tells a code by voice call, to `voiceNumber` or to the user's own number. Else as {@link sendEmail}. */
  sendVoice(uniqueId: string, voiceNumber?: string): Observable<GAuthifyUser> {
    return this.call(() => ({
      method: 'POST',
      path: 'voice/',
      params: toParams(SendVoiceDto, { uniqueId, voiceNumber }),
    })).pipe(map(readUser));
  }

  /** Every error code of GAuthify, with what it means. May be repeated. */
  apiErrors(): Observable<Record<string, string>> {
    return this.call(() => ({ method: 'GET', path: 'errors/' })).pipe(
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
  private call(prepare: () => WireCall): Observable<unknown> {
    return defer(() => this.transport.call(prepare()));
  }
}
