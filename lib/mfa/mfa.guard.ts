import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';
import { usesHeader } from './hand-over.js';
import { MfaAnswers, type MfaCase } from './mfa-answers.js';
import {
  exchangeOf,
  type MfaExchange,
  type MfaRequest,
  recall,
  remember,
  rememberHandshake,
  socketExchange,
} from './mfa-exchange.js';
import { checkPolicy, type MfaPolicy, policyOf } from './mfa-policy.js';
import { cookieName, readCookies } from './proof-cookie.js';
import { shareCheck } from './running-checks.js';
import {
  asUserId,
  isMissing,
  isOfKind,
  isOneCode,
  satisfies,
} from './what-counts.js';

/**
 * Lets in who proved their second factor: by a code of the signed-in user that
 * GAuthify accepts, or, where `mfa.proof` is set, by a proof of an earlier one
 * that is young enough for `@RequireMfa`. For a proof, GAuthify is asked at most
 * each `mfa.proof.recheckSeconds` whether the user still is who was verified.
 * Put it behind whatever signs people in, for it reads who they are from the
 * request. HTTP, GraphQL, WebSockets and microservices. One code authorises one
 * request; of GraphQL, where `mfa.proof` is not set, one operation, or one root
 * field of a mutation.
 *
 * | what is wrong | status | `code` |
 * |---|---|---|
 * | nobody is signed in | 401 | `mfa_not_signed_in` |
 * | no code and no proof that counts | 401 | `mfa_required` |
 * | wrong, used or malformed code | 401 | `mfa_invalid_code` |
 * | a code that is no string | 400 | `mfa_code_not_text` |
 * | the user has nothing to be asked for here, or is unknown to GAuthify | 403 | `mfa_enrollment_required` |
 * | too many attempts; `Retry-After` says how long, if GAuthify did | 429 | `mfa_too_many_attempts` |
 * | GAuthify is unreachable, fails, or refuses our key; `@RequireMfa` or `mfa.required` contradicts itself | 503 | `mfa_unavailable` |
 *
 * Fails closed: if anything else goes wrong, also in a method you override,
 * access is denied.
 *
 * @example
 * ```ts
 * @UseGuards(AuthGuard, MfaGuard)
 * @Get('account')
 * account() {}
 * ```
 */
@Injectable()
export class MfaGuard extends MfaAnswers implements CanActivate {
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
      policy: checkPolicy(policy),
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

  /** What the handler, its controller and their base classes ask for: the strictest of each part. */
  protected getPolicy(context: ExecutionContext): MfaPolicy {
    return policyOf(context.getHandler(), context.getClass());
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

  /** The proofs the request brings: of the header `x-mfa-proof`, then of the cookie, as `mfa.proof` says. */
  protected getProofs(request: MfaRequest): string[] {
    const { proof: options } = this.options.mfa;
    if (!options) return [];
    const name = cookieName(options.cookie);
    return [
      usesHeader(options) && request.headers['x-mfa-proof'],
      ...(name ? readCookies(request.headers.cookie, name) : []),
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
    if (it.policy.methods?.length === 0)
      return await this.denyMistake(
        it,
        `the methods of @RequireMfa on ${it.context?.getClass().name}.${it.context?.getHandler().name}, its controller and their base classes have none in common`,
      );
    const { required = () => true } = this.options.mfa;
    const isRequired: unknown = await required(userId, it.context);
    if (typeof isRequired !== 'boolean')
      return await this.denyMistake(
        it,
        `mfa.required returned ${isRequired === null ? 'null' : `a value of type ${typeof isRequired}`}: return true or false`,
      );
    if (!isRequired) {
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
    if (typeof code !== 'string' && !Array.isArray(code))
      return await this.deny(it, 'mfa_code_not_text');
    if (!isOneCode(code)) return await this.deny(it, 'mfa_invalid_code');
    const { proof } = this.options.mfa;
    const check = shareCheck(
      it.carrier ?? it.subject,
      { userId, code, checker: this.mfa, subject: it.subject },
      () => this.check(userId, code, proof?.bindTo?.(it.request)),
    );
    // One code authorises one operation, unless it is remembered anyway.
    if (check.subject !== it.subject && !proof)
      return await this.deny(it, 'mfa_invalid_code');
    let verification: MfaVerification | null;
    try {
      verification = await check.result;
    } catch (error) {
      return await this.admitAfter(it, userId, error);
    }
    // Whatever an override of check() returns instead lets nobody in.
    if (verification?.userId !== userId)
      return await this.deny(it, 'mfa_invalid_code');
    const counts = check.isShared
      ? satisfies(verification, it.policy, this.mfa.maxAgeSeconds) &&
        (await this.stands(it, verification))
      : isOfKind(verification, it.policy);
    if (!counts) return await this.challenge(it, userId);
    remember(it.subject, verification);
    if (!check.isShared) this.handOver(it, verification.proof);
    return true;
  }

  /** A verification that counts here: of this very request, of the socket, or of a proof. */
  protected async recognize(
    it: MfaCase,
    userId: string,
  ): Promise<MfaVerification | undefined> {
    const counts = (verification: MfaVerification | undefined) =>
      verification?.userId === userId &&
      satisfies(verification, it.policy, this.mfa.maxAgeSeconds);
    const known = recall(it.subject);
    if (known && counts(known) && (await this.stands(it, known))) return known;
    const proofs = this.getProofs(it.request);
    if (proofs.length === 0) return undefined;
    const binding = this.options.mfa.proof?.bindTo?.(it.request);
    for (const proof of proofs) {
      const said = await this.mfa.recognize(proof, userId, binding);
      if (counts(said)) return said;
    }
    return undefined;
  }

  /** Whether a verification that is remembered was not revoked. Sockets live long; a request only where it was told the epoch. */
  private async stands(
    { transport }: MfaCase,
    verification: MfaVerification,
  ): Promise<boolean> {
    if (transport !== 'ws' && verification.epoch === undefined) return true;
    return await this.mfa.isCurrent(verification);
  }
}
