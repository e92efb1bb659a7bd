import { WireName } from './wire-name.decorator.js';

/** Every {@link AuthMethod}. */
export const AUTH_METHODS = [
  'totp',
  'otp',
  'recovery',
  'email',
  'sms',
  'voice',
] as const;

/**
 * Kind of code that was accepted: `totp` (authenticator app), `otp` (one-time
 * pass), `recovery` (recovery code), or the channel a code was sent by.
 */
export type AuthMethod = (typeof AUTH_METHODS)[number];

/** `data` of `POST check/`. */
export class CheckResult {
  /** Id of the user. */
  @WireName('unique_id')
  uniqueId!: string;

  /** Whether the code was right, and is now used up. */
  @WireName('authenticated')
  authenticated!: boolean;

  /** Which kind of code it was; `null` where it was none, absent from the hosted service. */
  @WireName('method')
  method?: AuthMethod | null;

  /** The user's epoch when the code was accepted, see `GAuthifyUser.epoch`; absent where it was not, and from the hosted service. */
  @WireName('epoch')
  epoch?: string;
}
