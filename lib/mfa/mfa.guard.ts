import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { firstValueFrom } from 'rxjs';
import { NotFoundError } from '../errors/not-found.error.js';
import { ParameterError } from '../errors/parameter.error.js';
import { RateLimitError } from '../errors/rate-limit.error.js';
import { GAUTHIFY_MODULE_OPTIONS } from '../gauthify.module-definition.js';
import { GAuthifyService } from '../gauthify.service.js';
import type { GAuthifyResolvedOptions } from '../transport/normalize-options.js';
import { describeOutage } from './describe-outage.js';
import { challenge, denial, type MfaDenialCode } from './mfa-denials.js';

/** What `MfaGuard` reads of a request, of whatever HTTP adapter the application runs on. */
export interface MfaRequest {
  headers: Record<string, unknown>;
  /** Put there by whatever signs people in. */
  user?: { id?: unknown; sub?: unknown } | null;
}

/** A request, and the response which `MfaGuard` sets headers of. */
export interface MfaHttp {
  request: MfaRequest;
  response: unknown;
}

/**
 * Lets a request in if it brings a code of the signed-in user which GAuthify
 * accepts. Put it behind whatever signs people in, for it reads who they are
 * from the request. HTTP, on Express and Fastify.
 *
 * | what is wrong | status | `code` |
 * |---|---|---|
 * | nobody is signed in | 401 | `mfa_not_signed_in` |
 * | no code | 401 | `mfa_required` |
 * | wrong, used or malformed code | 401 | `mfa_invalid_code` |
 * | GAuthify does not know the user | 403 | `mfa_enrollment_required` |
 * | too many attempts; `Retry-After` says how long, if GAuthify did | 429 | `mfa_too_many_attempts` |
 * | GAuthify is unreachable, fails, or refuses our key | 503 | `mfa_unavailable` |
 *
 * Fails closed: whatever else goes wrong, also in a method you override, the
 * request is not let in.
 *
 * @example
 * ```ts
 * @UseGuards(AuthGuard, MfaGuard)
 * @Get('account')
 * account() {}
 * ```
 */
@Injectable()
export class MfaGuard implements CanActivate {
  protected readonly logger = new Logger(MfaGuard.name);

  constructor(
    protected readonly gauthify: GAuthifyService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    protected readonly options: GAuthifyResolvedOptions,
    protected readonly adapterHost: HttpAdapterHost,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = this.getHttp(context);
    const userId = asUserId(this.getUserId(http.request));
    if (userId === undefined) return this.deny(http, 'mfa_not_signed_in');
    const code = this.getCode(http.request);
    if (isMissing(code)) return this.deny(http, 'mfa_required');
    if (!isOneCode(code)) return this.deny(http, 'mfa_invalid_code');
    let authenticated: boolean;
    try {
      authenticated = await this.check(userId, code);
    } catch (error) {
      return this.denyAfter(http, error);
    }
    return authenticated === true || this.deny(http, 'mfa_invalid_code');
  }

  /** Where request and response are. Override for contexts which carry them elsewhere, such as GraphQL's. */
  protected getHttp(context: ExecutionContext): MfaHttp {
    if (context.getType() !== 'http')
      throw new Error(
        `MfaGuard works with HTTP, not with ${context.getType()}: take it off this handler, or override its getHttp().`,
      );
    const http = context.switchToHttp();
    return {
      request: http.getRequest<MfaRequest>(),
      response: http.getResponse<unknown>(),
    };
  }

  /** The signed-in user's `unique_id`. A number counts as text; what is no text counts as nobody. */
  protected getUserId(request: MfaRequest): unknown {
    if (this.options.mfa.userId) return this.options.mfa.userId(request);
    return request.user?.id ?? request.user?.sub;
  }

  /** The code the request brings; `undefined`, `null` or blank where there is none. */
  protected getCode(request: MfaRequest): unknown {
    if (this.options.mfa.code) return this.options.mfa.code(request);
    return request.headers['x-mfa-code'];
  }

  /** Asks GAuthify, never in safe mode. `true` lets the request in, and nothing else does. */
  protected check(userId: string, code: string): Promise<boolean> {
    return firstValueFrom(this.gauthify.checkAuth(userId, code));
  }

  /** Answers a request that is not let in: sets headers and throws. */
  protected deny(
    { response }: MfaHttp,
    code: MfaDenialCode,
    cause?: unknown,
  ): never {
    const adapter = this.adapterHost.httpAdapter;
    const authenticate = challenge(code);
    if (authenticate !== undefined)
      adapter.setHeader(response, 'WWW-Authenticate', authenticate);
    if (
      cause instanceof RateLimitError &&
      cause.retryAfterSeconds !== undefined
    )
      adapter.setHeader(
        response,
        'Retry-After',
        String(cause.retryAfterSeconds),
      );
    throw denial(code, cause);
  }

  /** What an error of the check means for the person. */
  private denyAfter(http: MfaHttp, error: unknown): never {
    if (error instanceof RateLimitError)
      return this.deny(http, 'mfa_too_many_attempts', error);
    if (error instanceof NotFoundError)
      return this.deny(http, 'mfa_enrollment_required', error);
    if (error instanceof ParameterError)
      return this.deny(http, 'mfa_invalid_code', error);
    this.logger.error(`Nobody is let in: ${describeOutage(error)}`);
    return this.deny(http, 'mfa_unavailable', error);
  }
}

function asUserId(value: unknown): string | undefined {
  if (Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isMissing(code: unknown): boolean {
  return (
    code === undefined ||
    code === null ||
    (typeof code === 'string' && code.trim() === '')
  );
}

/** Several headers of a name arrive as an array, or joined with commas: one attempt is one code. */
function isOneCode(code: unknown): code is string {
  return typeof code === 'string' && !code.includes(',');
}
