import {
  BadRequestException,
  type ExecutionContext,
  Injectable,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import { ParameterError } from '../contract/errors/parameter.error.js';
import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';
import { usesHeader } from './hand-over.js';
import { type MfaRequest, recall } from './mfa-exchange.js';
import type { MfaCase } from './mfa-answers.js';
import { MfaGuard } from './mfa.guard.js';
import type { MfaChannel } from './mfa.service.js';
import { asUserId, isMissing } from './what-counts.js';

export const MFA_CHANNELS: readonly unknown[] = [
  'email',
  'sms',
  'voice',
] satisfies MfaChannel[];

/**
 * Guards the ready-made routes: lets in who is signed in, with or without a
 * second factor, and answers for them as {@link MfaGuard} does. Never in safe
 * mode: these routes are where a second factor is made and changed.
 */
@Injectable()
export class MfaRouteGuard extends MfaGuard {
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const exchange = this.getExchange(context);
    if (asUserId(this.getUserId(exchange.request)) === undefined)
      return await this.deny(
        { ...exchange, transport: 'http' },
        'mfa_not_signed_in',
      );
    const { method, headers } = exchange.request as MfaRequest & {
      method?: string;
    };
    // Browsers send a form of another site with any type but this.
    if (
      method === 'POST' &&
      !/^application\/json\b/i.test(String(headers['content-type']))
    )
      throw new UnsupportedMediaTypeException({
        statusCode: 415,
        code: 'mfa_not_json',
        message: 'Send JSON: content-type application/json.',
      });
    return true;
  }

  userIdOf(request: MfaRequest): string {
    return asUserId(this.getUserId(request))!;
  }

  /** The name in the authenticator app: what the application calls the user. */
  displayNameOf({ user }: MfaRequest, userId: string): string {
    const { name, username, email } = (user ?? {}) as Record<string, unknown>;
    const known = [name, username, email].find(
      (value) => typeof value === 'string' && value !== '',
    ) as string | undefined;
    // As GAuthify takes it: one line of at most 255 characters, no half emoji.
    return (known ?? userId)
      .toWellFormed()
      .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
      .slice(0, 255)
      .replace(/[\ud800-\udbff]$/, '');
  }

  channelOf(method: unknown): MfaChannel {
    if (MFA_CHANNELS.includes(method)) return method as MfaChannel;
    throw new BadRequestException({
      statusCode: 400,
      code: 'mfa_unknown_method',
      message: 'method must be email, sms or voice.',
    });
  }

  /** The second factor that counts now, by the proof the request brings. */
  async earlier(
    request: MfaRequest,
    userId: string,
  ): Promise<MfaVerification | undefined> {
    return await this.recognize(caseOf(request), userId);
  }

  /** Denies who has no second factor that the policy asks for, nor brings a right code now. */
  async requireFresh(
    request: MfaRequest,
    response: unknown,
    userId: string,
    policy: RequireMfaOptions,
  ): Promise<void> {
    const it = caseOf(request, response, policy);
    if (await this.recognize(it, userId)) return;
    const code = this.getCode(request);
    if (isMissing(code)) await this.challenge(it, userId);
    else await this.admitCode(it, userId, code);
  }

  /** Checks a code, hands the proof over, and says what was accepted. */
  async verify(
    request: MfaRequest,
    response: unknown,
    code: unknown,
    policy: RequireMfaOptions,
  ) {
    const it = caseOf(request, response, policy);
    if (isMissing(code)) await this.deny(it, 'mfa_code_missing');
    if (typeof code !== 'string') await this.deny(it, 'mfa_code_not_text');
    await this.admitCode(it, this.userIdOf(request), code);
    const { method, verifiedAt, proof } = recall(request)!;
    return {
      method,
      verifiedAt: verifiedAt.toISOString(),
      // In a cookie it is out of reach of scripts, and must stay so.
      ...((!this.options.mfa.proof || usesHeader(this.options.mfa.proof)) && {
        proof: proof ?? null,
      }),
    };
  }

  /**
   * Turns an error of GAuthify into what a browser may see.
   *
   * @param refusal what a `ParameterError` means, where the person can act on it
   */
  async translate<T>(
    request: MfaRequest,
    response: unknown,
    call: () => Promise<T>,
    refusal?: (error: ParameterError) => Error,
  ): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const it = caseOf(request, response);
      if (error instanceof ParameterError) {
        if (refusal) throw refusal(error);
        // Not a wrong code: no code was sent. Such as an id GAuthify does not take.
        this.mfa.reportOutage(error);
        return await this.deny(it, 'mfa_unavailable', {}, error);
      }
      const userId = this.userIdOf(request);
      return (await this.admitAfter(it, userId, error)) as never;
    }
  }
}

/** What a send answers for a user who has no address of the kind. */
export function methodUnavailable(cause: unknown): BadRequestException {
  return new BadRequestException(
    {
      statusCode: 400,
      code: 'mfa_method_unavailable',
      message: 'There is no address of this kind to send a code to.',
    },
    { cause },
  );
}

const caseOf = (
  request: MfaRequest,
  response?: unknown,
  policy: RequireMfaOptions = {},
): MfaCase => ({
  request,
  response,
  subject: request,
  transport: 'http',
  policy: { ...policy, safeMode: false },
});
