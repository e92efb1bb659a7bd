import { Inject, Injectable, Logger } from '@nestjs/common';
import { firstValueFrom, type Observable } from 'rxjs';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import { GAuthifyService } from '../client/gauthify.service.js';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import { NotFoundError } from '../contract/errors/not-found.error.js';
import { ParameterError } from '../contract/errors/parameter.error.js';
import { RateLimitError } from '../contract/errors/rate-limit.error.js';
import { CodeChecks, isMissing, shareCheck } from './code-checks.js';
import { denied, type MfaDenied, type SecondFactorResult } from './denials.js';
import { KnownUsers } from './known-users.js';
import {
  getVerification,
  type SecondFactorAttempt,
  setVerification,
} from './mfa-context.js';
import { MfaEvents } from './mfa-events.js';
import { isAcceptedMethod, mergePolicies, satisfies } from './mfa-policy.js';
import type {
  GAuthifyResolvedOptions,
  MfaVerification,
} from './mfa.options.js';
import { describeOutage, OutageLog } from './outage-log.js';
import { MfaProofs } from './proofs.js';

/**
 * Decides about the second factor of an attempt, and knows nothing of HTTP.
 * `MfaGuard`, the ready-made routes and `MfaService` are built on it.
 */
@Injectable()
export class SecondFactorService {
  /** Oldest verification that counts where nothing else is required, seconds. */
  readonly maxAgeSeconds: number;
  private readonly logger = new Logger('MfaGuard');
  private readonly loggedMistakes = new Set<string>();

  constructor(
    private readonly gauthify: GAuthifyService,
    private readonly codes: CodeChecks,
    private readonly users: KnownUsers,
    private readonly proofs: MfaProofs,
    private readonly events: MfaEvents,
    private readonly outages: OutageLog,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: GAuthifyResolvedOptions,
  ) {
    this.maxAgeSeconds = proofs.ttlSeconds;
  }

  /** Lets in whoever needs no second factor (`mfa.required`), or proves it. */
  async admit(attempt: SecondFactorAttempt): Promise<SecondFactorResult> {
    const { userId, policy, execution } = attempt;
    if (policy.methods?.length === 0)
      return this.denyMistake(
        `the methods of @RequireMfa on ${execution?.getClass().name}.${execution?.getHandler().name}, its controller and their base classes have none in common`,
      );
    const { required } = this.options.mfa;
    const isRequired: unknown =
      !required || (await required(userId, execution));
    if (typeof isRequired !== 'boolean')
      return this.denyMistake(
        `mfa.required returned ${isRequired === null ? 'null' : `a value of type ${typeof isRequired}`}: return true or false`,
      );
    if (isRequired) return await this.prove(attempt);
    this.events.emit({ type: 'bypassed', userId, reason: 'policy' });
    return { outcome: 'bypassed' };
  }

  /** Lets in whoever has an earlier second factor that counts, or brings a right code. */
  async prove(attempt: SecondFactorAttempt): Promise<SecondFactorResult> {
    const earlier = await this.recognize(attempt);
    if (earlier) {
      setVerification(attempt.subject, earlier);
      return { outcome: 'admitted', verification: earlier };
    }
    const code = attempt.code();
    if (isMissing(code)) return { outcome: 'missing', policy: attempt.policy };
    return await this.verify(attempt, code);
  }

  /** An earlier verification that counts: of this request, of the socket, or in a proof. */
  async recognize(
    attempt: SecondFactorAttempt,
  ): Promise<MfaVerification | undefined> {
    const { userId, subject } = attempt;
    const earlier = getVerification(subject);
    if (
      earlier?.userId === userId &&
      this.satisfies(attempt, earlier) &&
      (await this.isCurrent(attempt, earlier))
    )
      return earlier;
    const proofs = attempt.proofs();
    if (proofs.length === 0) return undefined;
    const binding = attempt.binding();
    for (const proof of proofs) {
      const proven = await this.recognizeProof(proof, userId, binding);
      if (proven && this.satisfies(attempt, proven)) return proven;
    }
    return undefined;
  }

  /** What a proof says; `undefined` where it is invalid or revoked. */
  async recognizeProof(
    proof: string,
    userId: string,
    binding: string | undefined,
  ): Promise<MfaVerification | undefined> {
    const proven = await this.proofs.verify(proof, userId, binding);
    return proven && (await this.users.isCurrent(proven)) ? proven : undefined;
  }

  /** Checks a code, which may be anything that a request holds. */
  async verify(
    attempt: SecondFactorAttempt,
    code: unknown,
  ): Promise<SecondFactorResult> {
    const { userId, policy, subject, carrier } = attempt;
    if (typeof code !== 'string' && !Array.isArray(code))
      return denied('mfa_code_not_text');
    // Several headers of a name arrive as an array, or joined with commas: one attempt is one code.
    if (typeof code !== 'string' || code.includes(','))
      return denied('mfa_invalid_code');
    const check = shareCheck(
      carrier ?? subject,
      { userId, code, checker: this, subject },
      () => attempt.check(code, attempt.binding()),
    );
    // One code authorises one operation, unless its proof would let in the next one anyway.
    if (check.subject !== subject && !this.options.mfa.proof)
      return denied('mfa_invalid_code');
    let verification: MfaVerification | null;
    try {
      verification = await check.result;
    } catch (error) {
      return await this.resultOf(attempt, error);
    }
    // An override of `MfaGuard.check()` may return anything else: access is denied.
    if (verification?.userId !== userId) return denied('mfa_invalid_code');
    const counts = check.isShared
      ? this.satisfies(attempt, verification) &&
        (await this.isCurrent(attempt, verification))
      : isAcceptedMethod(verification, policy);
    if (!counts) return { outcome: 'missing', policy };
    setVerification(subject, verification);
    const proof = check.isShared ? undefined : verification.proof;
    return { outcome: 'admitted', verification, proof };
  }

  /** See `MfaService.verify`. */
  checkCode(
    userId: string,
    code: string,
    binding?: string,
  ): Observable<MfaVerification | null> {
    return this.codes.check(userId, code, binding);
  }

  /** Denies with the kinds of code that the user can be asked for; or lets the user in by safe mode. */
  async challenge(attempt: SecondFactorAttempt): Promise<SecondFactorResult> {
    const { userId, policy } = attempt;
    const { maxAgeSeconds, methods: accepted } = policy;
    let methods: readonly AuthMethod[] | undefined;
    try {
      methods = await this.users.methods(userId);
    } catch (error) {
      if (error instanceof NotFoundError)
        return denied('mfa_enrollment_required', {}, error);
      if (await this.bypasses(attempt, error)) return { outcome: 'bypassed' };
      // Challenges all the same: GAuthify may be back when the code arrives.
    }
    methods = methods?.filter((it) => !accepted || accepted.includes(it));
    if (methods?.length === 0) return denied('mfa_enrollment_required');
    this.events.emit({ type: 'challenged', userId });
    return denied('mfa_required', { methods, maxAgeSeconds });
  }

  /** What an error of GAuthify means for the person. */
  async resultOf(
    attempt: SecondFactorAttempt,
    error: unknown,
  ): Promise<SecondFactorResult> {
    if (error instanceof RateLimitError) {
      const { retryAfterSeconds } = error;
      return denied('mfa_too_many_attempts', { retryAfterSeconds }, error);
    }
    if (error instanceof NotFoundError)
      return denied('mfa_enrollment_required', {}, error);
    if (error instanceof ParameterError)
      return denied('mfa_invalid_code', {}, error);
    if (await this.bypasses(attempt, error)) return { outcome: 'bypassed' };
    return this.denyOutage(error);
  }

  /** Denies because codes cannot be checked, and logs the reason. */
  denyOutage(error: unknown): MfaDenied {
    this.outages.report(error);
    return denied('mfa_unavailable', {}, error);
  }

  /** Whether safe mode lets the user in because GAuthify is unreachable. */
  private async bypasses(
    { userId, policy }: SecondFactorAttempt,
    error: unknown,
  ): Promise<boolean> {
    const { safeMode } = mergePolicies([
      { safeMode: this.options.mfa.safeMode },
      policy,
    ]);
    if (safeMode !== true) return false;
    const isUnreachable = this.gauthify.isUnreachable(error);
    if ((await firstValueFrom(isUnreachable)) !== true) return false;
    this.logger.warn(
      `safeMode let someone in without a check: ${describeOutage(error)}`,
    );
    this.events.emit({ type: 'bypassed', userId, reason: 'safe-mode' });
    return true;
  }

  /** Denies because the application contradicts itself, and logs that once. */
  private denyMistake(mistake: string): MfaDenied {
    if (!this.loggedMistakes.has(mistake))
      this.logger.error(`Nobody is let in: ${mistake}.`);
    this.loggedMistakes.add(mistake);
    return denied('mfa_unavailable');
  }

  private satisfies(
    { policy }: SecondFactorAttempt,
    verification: MfaVerification,
  ): boolean {
    return satisfies(verification, policy, this.maxAgeSeconds);
  }

  /** Whether a stored verification was not revoked. Within one request, only where it has an epoch. */
  private async isCurrent(
    { isLongLived }: SecondFactorAttempt,
    verification: MfaVerification,
  ): Promise<boolean> {
    if (!isLongLived && verification.epoch === undefined) return true;
    return await this.users.isCurrent(verification);
  }
}
