import {
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import { NotFoundError } from '../contract/errors/not-found.error.js';
import { ParameterError } from '../contract/errors/parameter.error.js';
import { RateLimitError } from '../contract/errors/rate-limit.error.js';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import type { RequireMfaOptions } from './mfa.options.js';
import type { GAuthifyResolvedOptions } from './mfa.options.js';
import { describeOutage } from './describe-outage.js';
import { handOverProof } from './hand-over.js';
import {
  challengeHeader,
  denialBody,
  type MfaDenialCode,
  type MfaDenialDetails,
} from './mfa-denials.js';
import { MfaEvents } from './mfa-events.js';
import { exceptionOf } from './mfa-exception.js';
import type { MfaExchange } from './mfa-exchange.js';
import { mergePolicies } from './mfa-policy.js';
import { MfaService } from './mfa.service.js';

/** One admission: what is asked of whom, and where answers go. */
export interface MfaCase extends MfaExchange {
  transport: string;
  policy: RequireMfaOptions;
  context?: ExecutionContext;
}

/** What `MfaGuard` answers: asks for a second factor, hands a proof over, denies, and says what an error means. */
@Injectable()
export abstract class MfaAnswers {
  protected readonly logger = new Logger('MfaGuard');

  /** Mistakes of the application that are in the log. */
  private readonly told = new Set<string>();

  constructor(
    protected readonly mfa: MfaService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    protected readonly options: GAuthifyResolvedOptions,
    protected readonly adapterHost: HttpAdapterHost,
    protected readonly events: MfaEvents,
  ) {}

  protected handOver(
    { response }: MfaExchange,
    proof: string | undefined,
  ): void {
    const adapter = this.adapterHost.httpAdapter;
    const { proof: options } = this.options.mfa;
    if (proof === undefined || !options || !response || !adapter) return;
    handOverProof(adapter, response, proof, options, this.mfa.maxAgeSeconds);
  }

  /** Asks for a second factor, with what this user can be asked for here. */
  protected async challenge(it: MfaCase, userId: string): Promise<true> {
    const { maxAgeSeconds, methods: allowed } = it.policy;
    let methods: readonly AuthMethod[] | undefined;
    try {
      methods = await this.mfa.methods(userId);
    } catch (error) {
      if (error instanceof NotFoundError)
        return await this.deny(it, 'mfa_enrollment_required', {}, error);
      if (await this.bypasses(it, userId, error)) return true;
      // Asked for all the same: the code may come when GAuthify is back.
    }
    methods = methods?.filter((method) => !allowed || allowed.includes(method));
    if (methods?.length === 0)
      return await this.deny(it, 'mfa_enrollment_required');
    this.events.tell({ type: 'challenged', userId });
    return await this.deny(it, 'mfa_required', {
      ...(methods && { methods }),
      ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
    });
  }

  /** Whether safe mode lets a user in because GAuthify cannot be reached. */
  private async bypasses(
    { policy }: MfaCase,
    userId: string,
    error: unknown,
  ): Promise<boolean> {
    const { safeMode } = mergePolicies([
      { safeMode: this.options.mfa.safeMode },
      policy,
    ]);
    if (safeMode !== true || (await this.mfa.isUnreachable(error)) !== true)
      return false;
    this.logger.warn(
      `safeMode let someone in without a check: ${describeOutage(error)}`,
    );
    this.events.tell({ type: 'bypassed', userId, reason: 'safe-mode' });
    return true;
  }

  /** Denies because the application contradicts itself, and logs that once. */
  protected async denyMistake(it: MfaCase, mistake: string): Promise<never> {
    if (!this.told.has(mistake))
      this.logger.error(`Nobody is let in: ${mistake}.`);
    this.told.add(mistake);
    return await this.deny(it, 'mfa_unavailable');
  }

  /** Answers a request that is not let in: sets headers and throws. */
  protected async deny(
    { transport, response }: MfaExchange & { transport: string },
    code: MfaDenialCode,
    details: MfaDenialDetails = {},
    cause?: unknown,
  ): Promise<never> {
    const body = denialBody(code, details);
    const adapter = this.adapterHost.httpAdapter;
    const headers = {
      'WWW-Authenticate': challengeHeader(body),
      'Retry-After': body.retryAfterSeconds?.toString(),
    };
    if (response && adapter)
      for (const [name, value] of Object.entries(headers))
        if (value !== undefined) adapter.setHeader(response, name, value);
    throw await exceptionOf(transport, body, cause);
  }

  /** What an error of the check means for the person. */
  protected async admitAfter(
    it: MfaCase,
    userId: string,
    error: unknown,
  ): Promise<true> {
    if (error instanceof RateLimitError) {
      const { retryAfterSeconds } = error;
      const details =
        retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
      return await this.deny(it, 'mfa_too_many_attempts', details, error);
    }
    if (error instanceof NotFoundError)
      return await this.deny(it, 'mfa_enrollment_required', {}, error);
    if (error instanceof ParameterError)
      return await this.deny(it, 'mfa_invalid_code', {}, error);
    if (await this.bypasses(it, userId, error)) return true;
    this.mfa.reportOutage(error);
    return await this.deny(it, 'mfa_unavailable', {}, error);
  }
}
