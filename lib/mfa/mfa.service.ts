import { Inject, Injectable, Optional } from '@nestjs/common';
import {
  catchError,
  defer,
  finalize,
  firstValueFrom,
  from,
  map,
  type Observable,
  of,
  switchMap,
  throwError,
} from 'rxjs';
import { isPossibleAuthCode } from '../contract/dto/auth-code.js';
import type {
  AuthMethod,
  CheckResult,
} from '../contract/dto/check-result.dto.js';
import { RateLimitError } from '../contract/errors/rate-limit.error.js';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import { GAuthifyService } from '../client/gauthify.service.js';
import type { MfaVerification } from './mfa.options.js';
import type { GAuthifyResolvedOptions } from './mfa.options.js';
import { CheckLimits } from './check-limits.js';
import { KnownUsers } from './known-users.js';
import { MfaEvents } from './mfa-events.js';
import { MfaOutages } from './mfa-outages.js';
import { MfaProofs } from './mfa-proofs.js';

/** A way to send a code. */
export type MfaChannel = 'email' | 'sms' | 'voice';

/** Proofs where nothing says how long they live, and verifications of sockets. */
const DEFAULT_MAX_AGE_SECONDS = 900;

/**
 * The second factor of a user, for applications that ask for it in their own
 * way. `MfaGuard` is built on it. The Observables are cold and emit one value;
 * errors are those of `GAuthifyService`.
 */
@Injectable()
export class MfaService {
  /** Oldest verification that counts where nobody asks for a younger one, seconds. */
  readonly maxAgeSeconds: number;

  constructor(
    private readonly gauthify: GAuthifyService,
    private readonly events: MfaEvents,
    private readonly users: KnownUsers,
    private readonly limits: CheckLimits,
    private readonly outages: MfaOutages,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: GAuthifyResolvedOptions,
    @Optional()
    @Inject(MfaProofs)
    private readonly proofs: MfaProofs | undefined,
  ) {
    this.maxAgeSeconds = proofs?.ttlSeconds ?? DEFAULT_MAX_AGE_SECONDS;
  }

  /**
   * Checks a code, which a right one uses up. Emits the verification, with a
   * proof of it where `mfa.proof` is set, or `null` where the code is wrong.
   * Unsubscribing aborts the check; the code may be used up by then.
   *
   * @param binding what the proof is bound to besides the user: what `mfa.proof.bindTo` returns for the requests to come. Where that option is set and this is missing, no proof is made.
   * @throws RateLimitError the user has to wait, is locked, or has two checks under way
   * @throws NotFoundError GAuthify does not know the user
   */
  verify(
    userId: string,
    code: string,
    binding?: string,
  ): Observable<MfaVerification | null> {
    return defer(() => {
      if (typeof code === 'string' && !isPossibleAuthCode(code))
        return this.refuse(userId);
      this.limits.enter(userId);
      const acceptEpoch = this.users.beginCheck(userId);
      return this.gauthify.check(userId, code).pipe(
        finalize(() => this.limits.leave(userId)),
        catchError((error: unknown) => {
          if (error instanceof RateLimitError) {
            this.limits.wait(userId, error);
            this.events.tell({ type: 'locked', userId });
          }
          return throwError(() => error);
        }),
        switchMap((result) => {
          if (!result.authenticated) return this.refuse(userId);
          acceptEpoch(result.epoch);
          return from(this.accept(userId, result, binding));
        }),
      );
    });
  }

  /**
   * Sends the user a code to the address on file. Emits `true`.
   *
   * @throws ParameterError there is no address of this kind
   * @throws RateLimitError too many sends
   * @throws NotFoundError GAuthify does not know the user
   */
  challenge(userId: string, channel: MfaChannel): Observable<true> {
    const send = {
      email: () => this.gauthify.sendEmail(userId),
      sms: () => this.gauthify.sendSms(userId),
      voice: () => this.gauthify.sendVoice(userId),
    };
    return defer(send[channel]).pipe(map(() => true as const));
  }

  /**
   * What a proof says; `undefined` where it is none of this user and binding,
   * where it was revoked ({@link isCurrent}), or `mfa.proof` is not set.
   */
  async recognize(
    proof: string,
    userId: string,
    binding?: string,
  ): Promise<MfaVerification | undefined> {
    if (!this.proofs || !this.mayBind(binding)) return undefined;
    const said = await this.proofs.verify(proof, { userId, binding });
    return said && (await this.users.isCurrent(said)) ? said : undefined;
  }

  /**
   * Whether an earlier verification still counts, whatever its age: the user
   * exists, and their epoch has not moved. Asks GAuthify at most each
   * `mfa.proof.recheckSeconds`; while it cannot be asked, `true` unless the
   * contrary is known.
   */
  isCurrent(verification: MfaVerification): Promise<boolean> {
    return this.users.isCurrent(verification);
  }

  /** Kinds of code the user can be asked for; remembered for 30 seconds. @throws GAuthifyError */
  methods(userId: string): Promise<readonly AuthMethod[]> {
    return this.users.methods(userId);
  }

  /** What is remembered of the user may have changed. */
  forget(userId: string): void {
    this.users.forget(userId);
    this.limits.forget(userId);
  }

  /** Whether safe mode may let someone in after this error. */
  isUnreachable(error: unknown): Promise<boolean> {
    return firstValueFrom(this.gauthify.isUnreachable(error));
  }

  /** Logs at `error` that GAuthify cannot be asked: each kind once a minute. */
  reportOutage(error: unknown): void {
    this.outages.report(error);
  }

  private refuse(userId: string): Observable<null> {
    this.events.tell({ type: 'failed', userId });
    return of(null);
  }

  private async accept(
    userId: string,
    { method = null, epoch }: CheckResult,
    binding: string | undefined,
  ): Promise<MfaVerification> {
    this.limits.forget(userId);
    // Whole seconds, as `auth_time` of the proof has them.
    const verifiedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
    const verification = { userId, method, verifiedAt, epoch };
    const proof = this.mayBind(binding)
      ? await this.proofs?.sign(verification, binding)
      : undefined;
    this.events.tell({ type: 'verified', userId, method });
    return proof === undefined ? verification : { ...verification, proof };
  }

  /** A proof that should be bound, and is bound to nothing, would be good for any session. */
  private mayBind(binding: unknown): boolean {
    if (binding === undefined) return !this.options.mfa.proof?.bindTo;
    return typeof binding === 'string' && binding !== '';
  }
}
