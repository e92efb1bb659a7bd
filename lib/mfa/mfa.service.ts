import { Inject, Injectable, Optional } from '@nestjs/common';
import {
  catchError,
  defer,
  from,
  map,
  type Observable,
  switchMap,
  throwError,
} from 'rxjs';
import type { AuthMethod } from '../dto/check-result.dto.js';
import { RateLimitError } from '../errors/rate-limit.error.js';
import { GAuthifyService } from '../gauthify.service.js';
import type { MfaVerification } from '../interfaces/mfa-options.interface.js';
import { MfaEvents } from './mfa-events.js';
import { MfaMethods } from './mfa-methods.js';
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
    private readonly knownMethods: MfaMethods,
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
   * @param binding what the proof is bound to besides the user: what `mfa.proof.bindTo` returns for the requests to come
   * @throws RateLimitError the user has to wait, or is locked
   * @throws NotFoundError GAuthify does not know the user
   */
  verify(
    userId: string,
    code: string,
    binding?: string,
  ): Observable<MfaVerification | null> {
    return this.gauthify.check(userId, code).pipe(
      catchError((error: unknown) => {
        if (error instanceof RateLimitError)
          this.events.tell({ type: 'locked', userId });
        return throwError(() => error);
      }),
      switchMap(({ authenticated, method }) =>
        authenticated
          ? from(this.accept(userId, method ?? null, binding))
          : defer(() => {
              this.events.tell({ type: 'failed', userId });
              return [null];
            }),
      ),
    );
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

  /** What a proof says; `undefined` where it is none of this user and binding, or `mfa.proof` is not set. */
  async recognize(
    proof: string,
    userId: string,
    binding?: string,
  ): Promise<MfaVerification | undefined> {
    return await this.proofs?.verify(proof, { userId, binding });
  }

  /** Kinds of code the user can be asked for; remembered for 30 seconds. @throws GAuthifyError */
  methods(userId: string): Promise<readonly AuthMethod[]> {
    return this.knownMethods.of(userId);
  }

  /** What the user can be asked for may have changed. */
  forget(userId: string): void {
    this.knownMethods.forget(userId);
  }

  private async accept(
    userId: string,
    method: AuthMethod | null,
    binding: string | undefined,
  ): Promise<MfaVerification> {
    // A first code enrols: what the user can be asked for is no longer what it was.
    this.knownMethods.forget(userId);
    // Whole seconds, as `auth_time` of the proof has them.
    const verifiedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
    const verification = { userId, method, verifiedAt };
    const proof = await this.proofs?.sign(verification, binding);
    this.events.tell({ type: 'verified', userId, method });
    return proof === undefined ? verification : { ...verification, proof };
  }
}
