/** A code as it is compared: people copy codes with the spaces and dashes that apps show them with. */
export function normalizeAuthCode(text: string): string {
  return text.replace(/[\s-]/g, '').toLowerCase();
}

/**
 * Whether a text can be a code at all, of whichever kind: six digits
 * (authenticator app, sent code), eight (authenticator app, one-time pass), or a
 * recovery code, with or without spaces and dashes. Anything else is wrong
 * without being looked up.
 */
export function isPossibleAuthCode(text: string): boolean {
  const code = normalizeAuthCode(text);
  return /^(\d{6}|\d{8})$/.test(code) || isRecoveryCode(code);
}

/** Whether a normalized code has the form of a recovery code: ten of `a-z 2-7`. */
export function isRecoveryCode(code: string): boolean {
  return /^[a-z2-7]{10}$/.test(code);
}
