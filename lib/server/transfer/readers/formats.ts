/** Formats that can be imported; `jsonl` is that of an export, too. */
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
