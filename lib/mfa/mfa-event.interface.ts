import type { AuthMethod } from '../contract/dto/check-result.dto.js';

/**
 * What the guard decided: asked for a code, took one, refused one, turned a
 * user away who has to wait or is locked, or let one in without a second factor
 * (`mfa.required` said so, or safe mode did).
 */
export type MfaEventType =
  'challenged' | 'verified' | 'failed' | 'locked' | 'bypassed';

/**
 * Told to `mfa.onEvent`, and emitted as `gauthify.mfa.<type>` where
 * `@nestjs/event-emitter` is set up. Holds no code, secret or address.
 */
export interface MfaEvent {
  readonly type: MfaEventType;
  /** The user's `unique_id`. */
  readonly userId: string;
  /** Of `verified`: the kind of code. */
  readonly method?: AuthMethod | null | undefined;
  /** Of `bypassed`: whether the policy or safe mode let the user in. */
  readonly reason?: 'policy' | 'safe-mode' | undefined;
  readonly at: Date;
}
