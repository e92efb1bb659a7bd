import { inspect } from 'node:util';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import { refuseUnknownOptions } from '../contract/known-options.js';
import { MFA_POLICY_KEY } from '../contract/mfa-policy-key.js';
import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';

/** What `@RequireMfa` or `@SkipMfa` asks for at one place, or all of them together. */
export type MfaPolicy = RequireMfaOptions & { skip?: true };

/**
 * How strong each kind of code is; more is stronger. A device that the user
 * holds is above an address or number: whoever reads the mailbox or takes over
 * the number gets the code too [NIST SP 800-63B §5.1.3].
 */
export const MFA_METHOD_STRENGTH: Readonly<Record<AuthMethod, number>> =
  Object.freeze({ totp: 2, otp: 2, email: 1, sms: 1, voice: 1 });

/** Every kind of code. */
export const AUTH_METHODS = Object.freeze(
  Object.keys(MFA_METHOD_STRENGTH),
) as readonly AuthMethod[];

/** Kinds of code at least as strong as the strongest of `methods`. `null`, a code of unknown kind, is never among them. */
export function atLeastAsStrongAs(
  methods: readonly AuthMethod[],
): readonly AuthMethod[] {
  const needed = Math.max(
    ...methods.map((method) => MFA_METHOD_STRENGTH[method]),
  );
  return AUTH_METHODS.filter((method) => MFA_METHOD_STRENGTH[method] >= needed);
}

/** Whether the verification is of a kind that the policy accepts. One of unknown kind is accepted only where every kind is. */
export function isAcceptedMethod(
  { method }: MfaVerification,
  { methods }: RequireMfaOptions,
): boolean {
  return !methods || (method !== null && methods.includes(method));
}

/** Whether an earlier verification is young enough for the policy, and of a kind that it accepts. */
export function satisfies(
  verification: MfaVerification,
  policy: RequireMfaOptions,
  defaultMaxAgeSeconds: number,
): boolean {
  const ageMs = Date.now() - verification.verifiedAt.getTime();
  const maxAgeSeconds = policy.maxAgeSeconds ?? defaultMaxAgeSeconds;
  return (
    ageMs <= maxAgeSeconds * 1000 && isAcceptedMethod(verification, policy)
  );
}

/**
 * Checks the options of `@RequireMfa` or `checkConnection`.
 *
 * @throws Error one sentence that names the option
 */
export function checkPolicy(options: RequireMfaOptions): RequireMfaOptions {
  if (typeof options !== 'object' || options === null)
    throw invalid('options', 'must be an object');
  refuseUnknownOptions(
    options,
    ['maxAgeSeconds', 'methods', 'safeMode'],
    (option, problem) => new Error(`@RequireMfa: ${option}: ${problem}`),
  );
  const { maxAgeSeconds, methods, safeMode } = options;
  if (
    maxAgeSeconds !== undefined &&
    !(Number.isFinite(maxAgeSeconds) && maxAgeSeconds > 0)
  )
    throw invalid(
      'maxAgeSeconds',
      'must be a number of seconds above 0, or be left out',
      maxAgeSeconds,
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
      methods,
    );
  if (safeMode !== undefined && typeof safeMode !== 'boolean')
    throw invalid('safeMode', 'must be true or false', safeMode);
  return { ...options, ...(methods && { methods: [...methods] }) };
}

/**
 * The strictest of each part: the smallest `maxAgeSeconds`, the `methods` that
 * all name (an empty list where they contradict each other), and `safeMode`
 * only where none is `false`.
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

/** Merged once, because every request needs it. Several classes may inherit a handler. */
const policies = new WeakMap<Function, WeakMap<Function, MfaPolicy>>();

/** The decorators of a handler, its class and the base classes, merged. */
export function policyOf(handler: Function, type: Function): MfaPolicy {
  let known = policies.get(handler);
  if (!known) policies.set(handler, (known = new WeakMap()));
  let policy = known.get(type);
  if (!policy) known.set(type, (policy = readPolicy(handler, type)));
  return policy;
}

/**
 * `@SkipMfa` on a handler overrides its class, and on a class its base classes;
 * subclasses do not inherit it. They do inherit `@RequireMfa`, and so do methods
 * that override a handler.
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
  return mergePolicies(
    required.filter((policy) => policy && !policy.skip) as MfaPolicy[],
  );
}

/** The policy of this very place: `Reflect.getMetadata` would search the base classes as well. */
export function ownPolicy(target: Function): MfaPolicy | undefined {
  return Reflect.getOwnMetadata(MFA_POLICY_KEY, target) as
    MfaPolicy | undefined;
}

function invalid(option: string, problem: string, value?: unknown): Error {
  const found = value === undefined ? '' : `, not ${inspect(value)}`;
  return new Error(`@RequireMfa: ${option} ${problem}${found}.`);
}
