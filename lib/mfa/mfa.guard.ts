import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  Inject,
  Injectable,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { firstValueFrom } from 'rxjs';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import {
  denialBody,
  denialException,
  denialHeaders,
  type MfaDenialCode,
  type MfaDenialDetails,
  type SecondFactorResult,
} from './denials.js';
import {
  type MfaAttempt,
  type MfaContext,
  type MfaRequest,
  readContext,
  setContext,
  setHandshake,
  socketContext,
  userIdOf,
} from './mfa-context.js';
import { checkPolicy, type MfaPolicy, policyOf } from './mfa-policy.js';
import type {
  GAuthifyResolvedOptions,
  MfaVerification,
  RequireMfaOptions,
} from './mfa.options.js';
import { readProofs, writeProof } from './proof-headers.js';
import { SecondFactorService } from './second-factor.service.js';

/**
 * Requires a second factor: a code of the signed-in user that GAuthify accepts,
 * or, where `mfa.proof` is set, a proof of an earlier one that satisfies
 * `@RequireMfa`. For a proof, GAuthify is asked at most once every
 * `mfa.proof.recheckSeconds` whether it was revoked. Put the guard behind what
 * signs people in: it reads the user from the request. HTTP, GraphQL, WebSockets
 * and microservices. One code authorises one request; with GraphQL and without
 * `mfa.proof`, one operation, or one root field of a mutation.
 *
 * | what is wrong | status | `code` |
 * |---|---|---|
 * | nobody is signed in | 401 | `mfa_not_signed_in` |
 * | no code, and no proof that counts | 401 | `mfa_required` |
 * | wrong, used or malformed code | 401 | `mfa_invalid_code` |
 * | a code that is not a string | 400 | `mfa_code_not_text` |
 * | GAuthify does not know the user, or the user has no kind of code that is accepted here | 403 | `mfa_enrollment_required` |
 * | too many attempts; `Retry-After` where GAuthify said how long | 429 | `mfa_too_many_attempts` |
 * | GAuthify is unreachable, fails or refuses the API key; `@RequireMfa` or `mfa.required` contradicts itself | 503 | `mfa_unavailable` |
 *
 * Fails closed: any other error, also in a method you override, denies access.
 *
 * Subclass it to read user, code or context from elsewhere, or to answer
 * differently. Name the subclass in `mfa.routes.guard`, and the ready-made routes
 * use it too.
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
  constructor(
    protected readonly secondFactor: SecondFactorService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    protected readonly options: GAuthifyResolvedOptions,
    protected readonly adapterHost: HttpAdapterHost,
  ) {}

  async canActivate(execution: ExecutionContext): Promise<boolean> {
    const policy = this.getPolicy(execution);
    if (policy.skip) return true;
    const attempt = await this.attempt(execution, policy);
    return await this.answer(attempt, await this.secondFactor.admit(attempt));
  }

  /**
   * The same check for `handleConnection` of a gateway, which Nest does not
   * guard. The guard then lets in messages of the socket as long as the
   * verification is young enough.
   *
   * @param client the socket
   * @param request its upgrade request, the second argument of `handleConnection` with `ws`; what signs people in sets its `user`
   * @throws WsException with the body of the denial
   */
  async checkConnection(
    client: object,
    request?: object,
    policy: RequireMfaOptions = {},
  ): Promise<true> {
    if (request) this.rememberHandshake(client, request);
    const context = socketContext(client);
    const attempt = await this.read(context, checkPolicy(policy));
    return await this.answer(attempt, await this.secondFactor.admit(attempt));
  }

  /** Stores the upgrade request of a socket of `ws`: call it in `handleConnection(client, request)` where only messages are guarded. */
  rememberHandshake(client: object, request: object): void {
    setHandshake(client, request as MfaRequest);
  }

  /**
   * Reads the request of a handler for `SecondFactorService`, and denies where
   * nobody is signed in. The ready-made routes use it too.
   */
  async attempt(
    execution: ExecutionContext,
    policy: RequireMfaOptions,
  ): Promise<MfaAttempt> {
    const context = this.getContext(execution);
    if (this.getContext !== MfaGuard.prototype.getContext)
      setContext(execution, context);
    return await this.read(context, policy, execution);
  }

  /** Sets a new proof on the response, or denies. The ready-made routes use it too. */
  async answer(attempt: MfaAttempt, result: SecondFactorResult): Promise<true> {
    switch (result.outcome) {
      case 'admitted':
        if (result.proof !== undefined) this.handOver(attempt, result.proof);
        return true;
      case 'bypassed':
        return true;
      case 'missing':
        if (
          (await this.challenge({ ...attempt, policy: result.policy })) === true
        )
          return true;
        break;
      case 'denied':
        await this.deny(attempt, result.code, result.details, result.cause);
    }
    // An override of challenge() or deny() neither let the user in nor threw.
    throw new ForbiddenException();
  }

  /** What `@RequireMfa` and `@SkipMfa` of the handler, its controller and their base classes ask for together. */
  protected getPolicy(execution: ExecutionContext): MfaPolicy {
    return policyOf(execution.getHandler(), execution.getClass());
  }

  /** Where request and response are. Override it for transports that keep them elsewhere. */
  protected getContext(execution: ExecutionContext): MfaContext {
    const context = readContext(execution);
    if (context) return context;
    throw new Error(
      `MfaGuard does not know the transport ${execution.getType<string>()}: remove it from this handler, or override getContext().`,
    );
  }

  /** The signed-in user's `unique_id`. A number is converted to a string; anything else means that nobody is signed in. */
  protected getUserId(request: MfaRequest): unknown {
    if (this.options.mfa.userId) return this.options.mfa.userId(request);
    return request.user?.id ?? request.user?.sub;
  }

  /** The code in the request; `undefined`, `null` or blank where there is none. */
  protected getCode(request: MfaRequest): unknown {
    if (this.options.mfa.code) return this.options.mfa.code(request);
    return request.headers['x-mfa-code'];
  }

  /** The proofs in the request: in the header `x-mfa-proof`, then in cookies, as `mfa.proof` says. */
  protected getProofs(request: MfaRequest): string[] {
    const { proof } = this.options.mfa;
    return proof ? readProofs(request.headers, proof) : [];
  }

  /** Checks a code: only a verification of this user lets the request in. */
  protected check(
    userId: string,
    code: string,
    binding: string | undefined,
  ): Promise<MfaVerification | null> {
    return firstValueFrom(this.secondFactor.checkCode(userId, code, binding));
  }

  /** Asks for a second factor: denies with the kinds of code that count here. */
  protected async challenge(attempt: MfaAttempt): Promise<true> {
    const result = await this.secondFactor.challenge(attempt);
    return await this.answer(attempt, result);
  }

  /** Denies access: sets headers and throws. */
  protected async deny(
    { transport, response }: MfaContext,
    code: MfaDenialCode,
    details: MfaDenialDetails = {},
    cause?: unknown,
  ): Promise<never> {
    const body = denialBody(code, details);
    const adapter = this.adapterHost.httpAdapter;
    if (response && adapter)
      for (const [name, value] of denialHeaders(body))
        adapter.setHeader(response, name, value);
    throw await denialException(transport, body, cause);
  }

  private async read(
    context: MfaContext,
    policy: RequireMfaOptions,
    execution?: ExecutionContext,
  ): Promise<MfaAttempt> {
    const { transport, request } = context;
    const userId = userIdOf(this.getUserId(request));
    if (userId === undefined) {
      await this.deny(context, 'mfa_not_signed_in');
      // An override of deny() did not throw.
      throw new ForbiddenException();
    }
    return {
      ...context,
      userId,
      policy,
      execution,
      isLongLived: transport === 'ws',
      code: () => this.getCode(request),
      proofs: () => this.getProofs(request),
      binding: () => this.options.mfa.proof?.bindTo?.(request),
      check: (code, binding) => this.check(userId, code, binding),
    };
  }

  private handOver({ response }: MfaContext, proof: string): void {
    const adapter = this.adapterHost.httpAdapter;
    const { proof: options } = this.options.mfa;
    const { maxAgeSeconds } = this.secondFactor;
    if (options && response && adapter)
      writeProof(adapter, response, proof, options, maxAgeSeconds);
  }
}
