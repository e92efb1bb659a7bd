import { inspect } from 'node:util';
import {
  AUTH_METHODS,
  type AuthMethod,
} from '../contract/dto/check-result.dto.js';
import { refuseUnknownOptions } from '../contract/known-options.js';
import { MFA_POLICY_KEY } from '../contract/mfa-policy-key.js';
import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';

/** What `@RequireMfa` or `@SkipMfa` asks for at one place, or all of them together. */
export type MfaPolicy = RequireMfaOptions & { skip?: true };

/**
 * How strong each kind of code is; more is stronger. A device that the user
 * holds is above a list of codes, which can be copied, and that is above an
 * address or number: whoever reads the mailbox or takes over
 * the number gets the code too [NIST SP 800-63B §5.1.3].
 */
export const MFA_METHOD_STRENGTH: Readonly<Record<AuthMethod, number>> =
  Object.freeze({ totp: 3, otp: 3, recovery: 2, email: 1, sms: 1, voice: 1 });

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

/** What is checked of each option that is set. */
const CHECKS: Record<
  keyof RequireMfaOptions,
  [isValid: (value: any) => boolean, problem: string]
> = {
  maxAgeSeconds: [
    (value) => Number.isFinite(value) && value > 0,
    'must be a number of seconds above 0, or be left out',
  ],
  methods: [
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((method: AuthMethod) => AUTH_METHODS.includes(method)),
    `must be a list of at least one of ${AUTH_METHODS.join(', ')}, or be left out`,
  ],
  safeMode: [(value) => typeof value === 'boolean', 'must be true or false'],
};

/** Checks the options of `@RequireMfa` or `checkConnection`. @throws Error one sentence that names the option */
export function checkPolicy(options: RequireMfaOptions): RequireMfaOptions {
  if (typeof options !== 'object' || options === null)
    throw invalid('options', 'must be an object');
  refuseUnknownOptions(
    options,
    Object.keys(CHECKS),
    (option, problem) => new Error(`@RequireMfa: ${option}: ${problem}`),
  );
  for (const [name, [isValid, problem]] of Object.entries(CHECKS)) {
    const value: unknown = options[name as keyof RequireMfaOptions];
    if (value !== undefined && !isValid(value))
      throw invalid(name, problem, value);
  }
  const { methods } = options;
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
 * `@RequireMfa` is inherited by subclasses, and by methods that override a
 * handler. `@SkipMfa` is not. On a handler it overrides its class and the
 * handler that it overrides, but no subclass that inherits it; on a class it
 * overrides the base classes, but no handler.
 */
function readPolicy(handler: Function, type: Function): MfaPolicy {
  const classes = [type];
  for (
    let base = Object.getPrototypeOf(type) as Function;
    typeof base === 'function' && base !== Function.prototype;
    base = Object.getPrototypeOf(base) as Function
  )
    classes.push(base);
  const name = nameOf(handler, classes);
  const required: MfaPolicy[] = [];
  // A method of the instance alone.
  const unbound =
    classes.every(
      (it) => !Object.hasOwn((it.prototype ?? {}) as object, name),
    ) && ownPolicy(handler);
  if (unbound) {
    if (unbound.skip) return { skip: true };
    required.push(unbound);
  }
  let isOverridden = false;
  let handlerRequires = required.length > 0;
  for (const target of classes) {
    const prototype = (target.prototype ?? {}) as object;
    if (Object.hasOwn(prototype, name)) {
      const own = ownPolicy(prototype, name);
      // What is collected so far are policies of subclasses.
      if (own?.skip && !isOverridden && required.length === 0)
        return { skip: true };
      if (own && !own.skip) {
        handlerRequires = true;
        required.push(own);
      }
      isOverridden = true;
    }
    const own = ownPolicy(target);
    if (own && !own.skip) required.push(own);
  }
  if (ownPolicy(type)?.skip && !handlerRequires) return { skip: true };
  return mergePolicies(required);
}

/** The property that holds the handler: a function that a decorator wrapped has another name. */
function nameOf(handler: Function, classes: readonly Function[]) {
  for (const { prototype } of classes as readonly { prototype?: object }[])
    for (const name of Reflect.ownKeys(prototype ?? {}))
      if (Object.getOwnPropertyDescriptor(prototype, name)?.value === handler)
        return name;
  return handler.name;
}

/**
 * The policy of this very place, a class or a method of a prototype:
 * `Reflect.getMetadata` would search the base classes as well. A method's is
 * stored for the property, because a decorator above may replace the function;
 * `SetMetadata` stores it for the function.
 */
export function ownPolicy(
  target: object,
  property?: string | symbol,
): MfaPolicy | undefined {
  const read = (on: object, name?: string | symbol) =>
    Reflect.getOwnMetadata(MFA_POLICY_KEY, on, name!) as MfaPolicy | undefined;
  if (property === undefined) return read(target);
  const method: unknown = Object.getOwnPropertyDescriptor(
    target,
    property,
  )?.value;
  return (
    read(target, property) ??
    (typeof method === 'function' ? read(method) : undefined)
  );
}

function invalid(option: string, problem: string, value?: unknown): Error {
  const found = value === undefined ? '' : `, not ${inspect(value)}`;
  return new Error(`@RequireMfa: ${option} ${problem}${found}.`);
}
