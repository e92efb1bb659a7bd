import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
} from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { firstValueFrom } from 'rxjs';
import type { AuthMethod } from '../dto/check-result.dto.js';
import { isVerifierFailure } from '../errors/is-verifier-failure.js';
import { NotFoundError } from '../errors/not-found.error.js';
import { ParameterError } from '../errors/parameter.error.js';
import { RateLimitError } from '../errors/rate-limit.error.js';
import { GAUTHIFY_MODULE_OPTIONS } from '../gauthify.module-definition.js';
import type {
  MfaVerification,
  RequireMfaOptions,
} from '../interfaces/mfa-options.interface.js';
import type { GAuthifyResolvedOptions } from '../transport/normalize-options.js';
import { describeOutage } from './describe-outage.js';
import {
  challengeHeader,
  denialBody,
  type MfaDenialCode,
  type MfaDenialDetails,
} from './mfa-denials.js';
import { MfaEvents } from './mfa-events.js';
import { exceptionOf } from './mfa-exception.js';
import {
  exchangeOf,
  type MfaExchange,
  type MfaRequest,
  recall,
  remember,
  rememberHandshake,
  socketExchange,
} from './mfa-exchange.js';
import { MfaService } from './mfa.service.js';
import { cookieName, proofCookie, readCookie } from './proof-cookie.js';
import { MFA_POLICY, type MfaPolicy } from './require-mfa.decorator.js';
import { asUserId, isMissing, isOneCode, satisfies } from './what-counts.js';

/** One admission: what is asked of whom, and where answers go. */
export interface MfaCase extends MfaExchange {
  transport: string;
  policy: RequireMfaOptions;
  context?: ExecutionContext;
}

/**
 * Lets in who proved their second factor: by a code of the signed-in user that
 * GAuthify accepts, or, where `mfa.proof` is set, by a proof of an earlier one
 * that is young enough for `@RequireMfa`. A proof asks nothing of GAuthify. Put
 * it behind whatever signs people in, for it reads who they are from the
 * request. HTTP, GraphQL, WebSockets and microservices.
 *
 * | what is wrong | status | `code` |
 * |---|---|---|
 * | nobody is signed in | 401 | `mfa_not_signed_in` |
 * | no code and no proof that counts | 401 | `mfa_required` |
 * | wrong, used or malformed code | 401 | `mfa_invalid_code` |
 * | the user has nothing to be asked for here, or is unknown to GAuthify | 403 | `mfa_enrollment_required` |
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

  /** Codes being checked, so that parts of one request (GraphQL fields, two guards) share one check. */
  private readonly checks = new WeakMap<
    object,
    { key: string; check: Promise<MfaVerification | null> }
  >();

  constructor(
    protected readonly mfa: MfaService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    protected readonly options: GAuthifyResolvedOptions,
    protected readonly adapterHost: HttpAdapterHost,
    protected readonly reflector: Reflector,
    private readonly events: MfaEvents,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const policy = this.getPolicy(context);
    if (policy.skip) return true;
    const transport = context.getType<string>();
    const exchange = this.getExchange(context);
    return await this.admit({ ...exchange, transport, policy, context });
  }

  /**
   * The same check for `handleConnection` of a gateway, which guards do not
   * reach. Messages of the socket are then let in by the guard as long as the
   * verification is young enough.
   *
   * @param client the socket
   * @param request its upgrade request, second argument of `handleConnection` with `ws`; who signs people in puts `user` on it
   * @throws WsException with the body of the denial
   */
  async checkConnection(
    client: object,
    request?: object,
    policy: RequireMfaOptions = {},
  ): Promise<true> {
    if (request) this.rememberHandshake(client, request);
    return await this.admit({
      ...socketExchange(client),
      transport: 'ws',
      policy,
    });
  }

  /**
   * Tells the guard what a socket of `ws` was opened with, which the socket
   * itself does not: call it in `handleConnection(client, request)` where
   * messages are guarded and connections are not.
   */
  rememberHandshake(client: object, request: object): void {
    rememberHandshake(client, request as MfaRequest);
  }

  /** What the handler asks for, or its controller. */
  protected getPolicy(context: ExecutionContext): MfaPolicy {
    return (
      this.reflector.getAllAndOverride<MfaPolicy | undefined>(MFA_POLICY, [
        context.getHandler(),
        context.getClass(),
      ]) ?? {}
    );
  }

  /** Where request and response are. Override for contexts which carry them elsewhere. */
  protected getExchange(context: ExecutionContext): MfaExchange {
    return exchangeOf(context);
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

  /** The proofs the request brings: of the header `x-mfa-proof`, then of the cookie. */
  protected getProofs(request: MfaRequest): string[] {
    const name = cookieName(this.options.mfa.proof?.cookie);
    return [
      request.headers['x-mfa-proof'],
      name && readCookie(request.headers.cookie, name),
    ].filter((proof): proof is string => typeof proof === 'string');
  }

  /** Asks GAuthify. A verification lets the request in, and nothing else does. */
  protected check(
    userId: string,
    code: string,
    binding: string | undefined,
  ): Promise<MfaVerification | null> {
    return firstValueFrom(this.mfa.verify(userId, code, binding));
  }

  private async admit(it: MfaCase): Promise<true> {
    const userId = asUserId(this.getUserId(it.request));
    if (userId === undefined) return await this.deny(it, 'mfa_not_signed_in');
    const { required } = this.options.mfa;
    if (required && !(await required(userId, it.context))) {
      this.events.tell({ type: 'bypassed', userId, reason: 'policy' });
      return true;
    }
    const earlier = await this.recognize(it, userId);
    if (earlier) {
      remember(it.subject, earlier);
      return true;
    }
    const code = this.getCode(it.request);
    if (isMissing(code)) return await this.challenge(it, userId);
    return await this.admitCode(it, userId, code);
  }

  /** Lets in who brings a right code of a kind that counts here, and hands the proof over. */
  protected async admitCode(
    it: MfaCase,
    userId: string,
    code: unknown,
  ): Promise<true> {
    if (!isOneCode(code)) return await this.deny(it, 'mfa_invalid_code');
    let verification: MfaVerification | null;
    try {
      verification = await this.checkOnce(it, userId, code);
    } catch (error) {
      return await this.admitAfter(it, userId, error);
    }
    if (!verification) return await this.deny(it, 'mfa_invalid_code');
    if (!satisfies(verification, it.policy, this.mfa.maxAgeSeconds))
      return await this.challenge(it, userId);
    remember(it.subject, verification);
    this.handOver(it, verification.proof);
    return true;
  }

  /** A verification that counts here: of this very request, of the socket, or of a proof. */
  protected async recognize(
    { subject, request, policy }: MfaCase,
    userId: string,
  ): Promise<MfaVerification | undefined> {
    const counts = (it: MfaVerification | undefined) =>
      it?.userId === userId && satisfies(it, policy, this.mfa.maxAgeSeconds);
    const known = recall(subject);
    if (counts(known)) return known;
    const proofs = this.options.mfa.proof ? this.getProofs(request) : [];
    if (proofs.length === 0) return undefined;
    const { bindTo } = this.options.mfa.proof!;
    const binding = bindTo?.(request);
    // Nothing to be bound to is no session: what is asked for could be anybody's.
    if (bindTo && binding === undefined) return undefined;
    for (const proof of proofs) {
      const said = await this.mfa.recognize(proof, userId, binding);
      if (counts(said)) return said;
    }
    return undefined;
  }

  private checkOnce(
    { subject, request }: MfaCase,
    userId: string,
    code: string,
  ): Promise<MfaVerification | null> {
    const key = `${userId}\n${code}`;
    const running = this.checks.get(subject);
    if (running?.key === key) return running.check;
    const binding = this.options.mfa.proof?.bindTo?.(request);
    const check = this.check(userId, code, binding);
    this.checks.set(subject, { key, check });
    // What could not be checked may be tried again on the same socket.
    check.catch(() => this.checks.delete(subject));
    return check;
  }

  private handOver({ response }: MfaExchange, proof: string | undefined): void {
    const adapter = this.adapterHost.httpAdapter;
    if (proof === undefined || !response || !adapter) return;
    adapter.setHeader(response, 'x-mfa-proof', proof);
    const name = cookieName(this.options.mfa.proof?.cookie);
    if (!name) return;
    const cookie = proofCookie(name, proof, this.mfa.maxAgeSeconds);
    // Express would replace the application's own cookies; Fastify appends.
    const { append } = response as { append?: unknown };
    if (typeof append === 'function')
      append.call(response, 'Set-Cookie', cookie);
    else adapter.setHeader(response, 'Set-Cookie', cookie);
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
      if (this.bypasses(it, userId, error)) return true;
      // The question goes out all the same: the code may come when GAuthify is back.
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

  /** Whether safe mode lets a user in because GAuthify cannot tell. */
  private bypasses(it: MfaCase, userId: string, error: unknown): boolean {
    const safeMode = it.policy.safeMode ?? this.options.mfa.safeMode;
    if (safeMode !== true || !isVerifierFailure(error)) return false;
    this.logger.warn(
      `safeMode let someone in without a check: ${describeOutage(error)}`,
    );
    this.events.tell({ type: 'bypassed', userId, reason: 'safe-mode' });
    return true;
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
    if (this.bypasses(it, userId, error)) return true;
    this.logger.error(`Nobody is let in: ${describeOutage(error)}`);
    return await this.deny(it, 'mfa_unavailable', {}, error);
  }
}
