/**
 * Formats that can be imported; `jsonl` is that of an export, too. Apart from their
 * readers, so that `--help` need not load those.
 */
export const FORMATS = [
  'jsonl',
  'csv',
  'otpauth',
  'keycloak',
  'better-auth',
  'authy',
  'privacyidea',
] as const;

export type Format = (typeof FORMATS)[number];

/** Formats whose secrets another system has encrypted. */
export type EncryptedFormat = 'better-auth' | 'privacyidea';
