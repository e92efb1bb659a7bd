import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';

/** What enrolment and `mfa.routes` need of a user. */
export interface KnownUser {
  /** As in `GAuthifyUser`. */
  readonly enrolled?: boolean | undefined;
  readonly methods: readonly AuthMethod[];
}

/** Kinds of code a user can be asked for. Never an address: the person who asks may not be the user. */
export function methodsOf(user: GAuthifyUser): readonly AuthMethod[] {
  const methods: AuthMethod[] = [];
  if (user.enrolled !== false) methods.push('totp');
  if (user.email) methods.push('email');
  if (user.smsNumber) methods.push('sms');
  if (user.voiceNumber) methods.push('voice');
  return methods;
}
