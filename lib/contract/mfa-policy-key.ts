/**
 * Metadata key of what a handler or a controller requires of `MfaGuard`:
 * `@RequireMfa` and `@SkipMfa` write it. The server marks its controllers with
 * it, and must not import the guard.
 */
export const MFA_POLICY_KEY = 'gauthify:mfa-policy';
