import type { Environment } from '../settings/environment-values.js';
import type { DecryptWith } from '../transfer/encryption.js';
import type { Format } from '../transfer/readers/formats.js';
import { readSecret } from './read-secret.js';

/** Options that name what opens a file. */
export interface ImportKeys {
  passphraseFile?: string;
  identityFile?: string;
  secretFile?: string;
}

/** What decrypts a file. @throws StartError if it is missing */
export async function keysOf(
  { passphraseFile, identityFile }: ImportKeys,
  env: Environment,
): Promise<DecryptWith> {
  if (identityFile !== undefined) {
    const text = await readSecret({
      name: 'The identity',
      file: identityFile,
      option: '--identity-file',
      variable: '',
    });
    // As age-keygen writes it: comments, and a key a line.
    return {
      identities: text
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '' && !line.startsWith('#')),
    };
  }
  return {
    passphrase: await readSecret({
      name: 'The passphrase',
      file: passphraseFile,
      option: '--passphrase-file',
      value: env.GAUTHIFY_PASSPHRASE,
      variable: 'GAUTHIFY_PASSPHRASE',
    }),
  };
}

/** The secret of the system that a file comes from. @throws StartError if it is missing */
export function foreignSecretOf(
  format: Format,
  { secretFile }: ImportKeys,
  env: Environment,
): Promise<string> {
  const isBetterAuth = format === 'better-auth';
  return readSecret({
    name: isBetterAuth
      ? 'The secret of better-auth'
      : 'The key of the export of privacyIDEA',
    file: secretFile,
    option: '--secret-file',
    value: isBetterAuth
      ? env.BETTER_AUTH_SECRETS || env.BETTER_AUTH_SECRET
      : env.PRIVACYIDEA_KEY,
    variable: isBetterAuth ? 'BETTER_AUTH_SECRET' : 'PRIVACYIDEA_KEY',
  });
}
