import {
  AUTH_METHODS,
  type AuthMethod,
} from '../contract/dto/check-result.dto.js';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';

/** What enrolment and `mfa.routes` need of a user. */
export interface KnownUser {
  /** As in `GAuthifyUser`. */
  readonly enrolled?: boolean | undefined;
  readonly methods: readonly AuthMethod[];
}

/** Kinds of code a user can be asked for. Never an address: the person who asks may not be the user. */
export function methodsOf(user: GAuthifyUser): readonly AuthMethod[] {
  const { email, smsNumber: sms, voiceNumber: voice } = user;
  const has = {
    totp: user.enrolled !== false,
    otp: false,
    recovery: (user.recoveryCodesLeft ?? 0) > 0,
    email,
    sms,
    voice,
  };
  return AUTH_METHODS.filter((method) => has[method]);
}
