import { Injectable } from '@nestjs/common';
import { firstValueFrom, map, type Observable } from 'rxjs';
import { GAuthifyService } from '../client/gauthify.service.js';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import { CodeChecks } from './code-checks.js';
import { KnownUsers } from './known-users.js';
import type { MfaVerification } from './mfa.options.js';
import { OutageLog } from './outage-log.js';
import { SecondFactorService } from './second-factor.service.js';
import { UserLimit } from './user-limit.js';

/** A way to send a code. */
export type MfaChannel = 'email' | 'sms' | 'voice';

export const MFA_CHANNELS: readonly MfaChannel[] = ['email', 'sms', 'voice'];

/**
 * The second factor of a user, for applications that ask for it in their own
 * way: the parts that `MfaGuard` and the ready-made routes are made of. The
 * Observables are cold and emit one value; errors are those of `GAuthifyService`.
 */
@Injectable()
export class MfaService {
  /** Oldest verification that counts where nothing else is required, seconds. */
  readonly maxAgeSeconds: number;
  private readonly sends = {
    email: new UserLimit(),
    sms: new UserLimit(),
    voice: new UserLimit(),
  };

  constructor(
    private readonly secondFactor: SecondFactorService,
    private readonly gauthify: GAuthifyService,
    private readonly codes: CodeChecks,
    private readonly users: KnownUsers,
    private readonly outages: OutageLog,
  ) {
    this.maxAgeSeconds = secondFactor.maxAgeSeconds;
  }

  /**
   * Checks a code; a right one is used up. Emits the verification, with a proof
   * of it where `mfa.proof` is set, or `null` where the code is wrong.
   * Unsubscribing aborts the check; the code may be used up by then.
   *
   * @param binding what the proof is bound to besides the user: what `mfa.proof.bindTo` returns for later requests. Where that option is set and this is missing, no proof is made.
   * @throws RateLimitError the user has to wait, is locked, or has two checks under way
   * @throws NotFoundError GAuthify does not know the user
   */
  verify(
    userId: string,
    code: string,
    binding?: string,
  ): Observable<MfaVerification | null> {
    return this.secondFactor.checkCode(userId, code, binding);
  }

  /**
   * Sends the user a code to the address on file. Emits `true`.
   *
   * @throws ParameterError there is no address of this kind
   * @throws RateLimitError too many sends, or the user has two of this kind under way
   * @throws NotFoundError GAuthify does not know the user
   */
  challenge(userId: string, channel: MfaChannel): Observable<true> {
    const send = {
      email: () => this.gauthify.sendEmail(userId),
      sms: () => this.gauthify.sendSms(userId),
      voice: () => this.gauthify.sendVoice(userId),
    };
    return this.sends[channel]
      .run(userId, send[channel])
      .pipe(map(() => true as const));
  }

  /**
   * What a proof says; `undefined` where it is invalid, one of another user or
   * binding, or revoked ({@link isCurrent}), and where `mfa.proof` is not set.
   */
  recognize(
    proof: string,
    userId: string,
    binding?: string,
  ): Promise<MfaVerification | undefined> {
    return this.secondFactor.recognizeProof(proof, userId, binding);
  }

  /**
   * Whether an earlier verification still counts, whatever its age: the user
   * exists, and their epoch has not moved. Asks GAuthify at most once every
   * `mfa.proof.recheckSeconds`. While GAuthify cannot be asked: `true`, unless
   * the contrary is known.
   */
  isCurrent(verification: MfaVerification): Promise<boolean> {
    return this.users.isCurrent(verification);
  }

  /** Kinds of code the user can be asked for; cached for 30 seconds. @throws GAuthifyError */
  methods(userId: string): Promise<readonly AuthMethod[]> {
    return this.users.methods(userId);
  }

  /** Drops what is cached of the user: call it after a change. */
  forget(userId: string): void {
    this.users.forget(userId);
    this.codes.forget(userId);
    for (const channel of MFA_CHANNELS) this.sends[channel].forget(userId);
  }

  /** Whether safe mode may let someone in after this error. */
  isUnreachable(error: unknown): Promise<boolean> {
    return firstValueFrom(this.gauthify.isUnreachable(error));
  }

  /** Logs at `error` that codes cannot be checked: each kind of failure once a minute. */
  reportOutage(error: unknown): void {
    this.outages.report(error);
  }
}
