import type { AuthMethod } from '../contract/dto/check-result.dto.js';

/**
 * How strong each kind of code is; more is stronger. What a device of the user
 * holds is above what is sent to an address or number, which whoever reads the
 * mailbox or takes over the number has too [NIST SP 800-63B §5.1.3].
 */
export const MFA_METHOD_STRENGTH: Readonly<Record<AuthMethod, number>> =
  Object.freeze({ totp: 2, otp: 2, email: 1, sms: 1, voice: 1 });

/** Every kind of code. */
export const AUTH_METHODS = Object.freeze(
  Object.keys(MFA_METHOD_STRENGTH),
) as readonly AuthMethod[];

/** Kinds of code at least as strong as the strongest of `methods`. A code of no known kind (`null`) has strength 0 and is never among them. */
export function atLeastAsStrongAs(
  methods: readonly AuthMethod[],
): readonly AuthMethod[] {
  const needed = Math.max(
    ...methods.map((method) => MFA_METHOD_STRENGTH[method]),
  );
  return AUTH_METHODS.filter((method) => MFA_METHOD_STRENGTH[method] >= needed);
}
