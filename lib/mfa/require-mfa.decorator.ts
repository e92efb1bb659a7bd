import {
  createParamDecorator,
  type ExecutionContext,
  SetMetadata,
} from '@nestjs/common';
import type {
  MfaVerification,
  RequireMfaOptions,
} from '../interfaces/mfa-options.interface.js';
import { verificationOf } from './mfa-exchange.js';

/** Metadata key of what a handler or controller asks of `MfaGuard`. */
export const MFA_POLICY = 'gauthify:mfa-policy';

/** What `@RequireMfa` or `@SkipMfa` said; the handler's word goes before its controller's. */
export type MfaPolicy = RequireMfaOptions & { skip?: true };

/**
 * What `MfaGuard` asks for here: a second factor not older than
 * `maxAgeSeconds`, of one of `methods`. It does not guard by itself: put
 * `@UseGuards(MfaGuard)` on the handler, its controller or the application.
 *
 * @example
 * ```ts
 * @RequireMfa({ maxAgeSeconds: 60, methods: ['totp'] })
 * @Post() pay(@Mfa() mfa: MfaVerification) {}
 * ```
 */
export const RequireMfa = (
  options: RequireMfaOptions = {},
): MethodDecorator & ClassDecorator =>
  SetMetadata<string, MfaPolicy>(MFA_POLICY, { ...options });

/** `MfaGuard` lets everybody in here, also where its controller says `@RequireMfa`. */
export const SkipMfa = (): MethodDecorator & ClassDecorator =>
  SetMetadata<string, MfaPolicy>(MFA_POLICY, { skip: true });

/**
 * The second factor the request was let in with; `undefined` where it was let
 * in without one: `@SkipMfa`, `mfa.required`, safe mode.
 */
export const Mfa: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): MfaVerification | undefined =>
    verificationOf(context),
);
