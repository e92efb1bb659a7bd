import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import { MFA_POLICY_KEY } from '../contract/mfa-policy-key.js';
import type { RequireMfaOptions } from './mfa.options.js';
import { AUTH_METHODS } from './method-strength.js';

/** What `@RequireMfa` or `@SkipMfa` says at one place, and what all of them come to. */
export type MfaPolicy = RequireMfaOptions & { skip?: true };

/**
 * Checks what `@RequireMfa` or `checkConnection` is given.
 *
 * @throws Error one sentence that names the option
 */
export function checkPolicy(options: RequireMfaOptions): RequireMfaOptions {
  if (typeof options !== 'object' || options === null)
    throw invalid('options', 'must be an object');
  const { maxAgeSeconds, methods, safeMode, ...unknown } = options;
  for (const name of Object.keys(unknown))
    throw invalid(name, 'is no option: use maxAgeSeconds, methods or safeMode');
  if (
    maxAgeSeconds !== undefined &&
    !(Number.isFinite(maxAgeSeconds) && maxAgeSeconds > 0)
  )
    throw invalid(
      'maxAgeSeconds',
      'must be a number of seconds above 0, or be left out',
    );
  if (
    methods !== undefined &&
    !(
      Array.isArray(methods) &&
      methods.length > 0 &&
      (methods as readonly AuthMethod[]).every((method) =>
        AUTH_METHODS.includes(method),
      )
    )
  )
    throw invalid(
      'methods',
      `must be a list of at least one of ${AUTH_METHODS.join(', ')}, or be left out`,
    );
  if (safeMode !== undefined && typeof safeMode !== 'boolean')
    throw invalid('safeMode', 'must be true or false');
  return { ...options, ...(methods && { methods: [...methods] }) };
}

/**
 * The strictest of each part: the smallest `maxAgeSeconds`, the `methods` that
 * all name (none where they contradict each other), `safeMode` only where
 * nobody says `false`.
 */
export function mergePolicies(
  policies: readonly RequireMfaOptions[],
): RequireMfaOptions {
  const merged: RequireMfaOptions = {};
  for (const { maxAgeSeconds, methods, safeMode } of policies) {
    if (maxAgeSeconds !== undefined)
      merged.maxAgeSeconds = Math.min(
        merged.maxAgeSeconds ?? Infinity,
        maxAgeSeconds,
      );
    if (methods)
      merged.methods = (merged.methods ?? methods).filter((method) =>
        methods.includes(method),
      );
    if (safeMode !== undefined)
      merged.safeMode = (merged.safeMode ?? true) && safeMode;
  }
  return merged;
}

/** Kept, because each request asks for it; a handler may be run for several classes that inherit it. */
const policies = new WeakMap<Function, WeakMap<Function, MfaPolicy>>();

/** What all decorators of a handler, its class, and the classes above come to. */
export function policyOf(handler: Function, type: Function): MfaPolicy {
  let known = policies.get(handler);
  if (!known) policies.set(handler, (known = new WeakMap()));
  let policy = known.get(type);
  if (!policy) known.set(type, (policy = readPolicy(handler, type)));
  return policy;
}

/**
 * A handler's `@SkipMfa` skips what its class asks for, and a class' what the
 * classes above ask for; neither reaches a subclass. `@RequireMfa` reaches all
 * subclasses, and methods that override the handler it is on.
 */
function readPolicy(handler: Function, type: Function): MfaPolicy {
  const own = ownPolicy(handler);
  if (own ? own.skip : ownPolicy(type)?.skip) return { skip: true };
  const required = [own];
  for (
    let target = type;
    typeof target === 'function' && target !== Function.prototype;
    target = Object.getPrototypeOf(target) as Function
  ) {
    required.push(ownPolicy(target));
    const method = Object.getOwnPropertyDescriptor(
      (target.prototype as object | undefined) ?? {},
      handler.name,
    )?.value as unknown;
    if (typeof method === 'function') required.push(ownPolicy(method));
  }
  return mergePolicies(required.filter((it) => it && !it.skip) as MfaPolicy[]);
}

/** What is said at this very place: `Reflect.getMetadata` would find what a class above says. */
export function ownPolicy(target: Function): MfaPolicy | undefined {
  return Reflect.getOwnMetadata(MFA_POLICY_KEY, target) as
    MfaPolicy | undefined;
}

function invalid(option: string, problem: string): Error {
  return new Error(`@RequireMfa: ${option} ${problem}.`);
}
