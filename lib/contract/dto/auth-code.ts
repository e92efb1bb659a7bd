/** A code as it is compared: people copy codes with the spaces and dashes that apps show them with. */
export function normalizeAuthCode(text: string): string {
  return text.replace(/[\s-]/g, '');
}

/**
 * Whether a text can be a code at all, of whichever kind: six digits
 * (authenticator app, sent code) or eight (one-time pass), with or without
 * spaces and dashes. Anything else is wrong without being looked up.
 */
export function isPossibleAuthCode(text: string): boolean {
  return /^(\d{6}|\d{8})$/.test(normalizeAuthCode(text));
}
