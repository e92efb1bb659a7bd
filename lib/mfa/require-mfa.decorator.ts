import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { MFA_POLICY_KEY } from '../contract/mfa-policy-key.js';
import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';
import { verificationOf } from './mfa-context.js';
import {
  checkPolicy,
  type MfaPolicy,
  mergePolicies,
  ownPolicy,
} from './mfa-policy.js';

/**
 * Requires a second factor not older than `maxAgeSeconds`, by one of `methods`.
 * Where a handler, its controller and their base classes each have one, the
 * strictest of each option applies. It does not guard by itself: put
 * `@UseGuards(MfaGuard)` on the handler, its controller or the application.
 *
 * @throws Error when the code is loaded: a wrong option, two decorators whose
 * `methods` have none in common, or `@SkipMfa` at the same place
 *
 * @example
 * ```ts
 * @RequireMfa({ maxAgeSeconds: 60, methods: ['totp'] })
 * @Post() pay(@Mfa() mfa: MfaVerification) {}
 * ```
 */
export const RequireMfa = (
  options: RequireMfaOptions = {},
): MethodDecorator & ClassDecorator => decorate(checkPolicy(options));

/**
 * Lets everybody past `MfaGuard` here, also where the controller has
 * `@RequireMfa`. Subclasses of a controller do not inherit it.
 *
 * @throws Error when the code is loaded: `@RequireMfa` at the same place
 */
export const SkipMfa = (): MethodDecorator & ClassDecorator =>
  decorate({ skip: true });

/**
 * The second factor that the request was let in with; `undefined` where it was
 * let in without one: by `@SkipMfa`, `mfa.required` or safe mode.
 */
export const Mfa: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): MfaVerification | undefined =>
    verificationOf(context),
);

function decorate(policy: MfaPolicy): MethodDecorator & ClassDecorator {
  return (
    target: object,
    property?: string | symbol,
    descriptor?: PropertyDescriptor,
  ): void => {
    const name = String(property ?? (target as Function).name);
    const earlier = ownPolicy(target, property);
    if (earlier && earlier.skip !== policy.skip)
      throw new Error(
        `${name} has both @RequireMfa and @SkipMfa: remove one of them.`,
      );
    const merged = policy.skip
      ? policy
      : mergePolicies([...(earlier ? [earlier] : []), policy]);
    if (merged.methods?.length === 0)
      throw new Error(
        `@RequireMfa on ${name}: the methods of its decorators have none in common, so that nobody could be let in.`,
      );
    if (property === undefined)
      Reflect.defineMetadata(MFA_POLICY_KEY, merged, target);
    else {
      Reflect.defineMetadata(MFA_POLICY_KEY, merged, target, property);
      // A mixin may copy the function to another class.
      if (typeof descriptor?.value === 'function')
        Reflect.defineMetadata(
          MFA_POLICY_KEY,
          merged,
          descriptor.value as Function,
        );
    }
  };
}
