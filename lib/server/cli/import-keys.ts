import type { Environment } from '../settings/environment-values.js';
import { StartError } from '../settings/start-error.js';
import type { DecryptWith } from '../transfer/encryption.js';
import type { EncryptedFormat } from '../transfer/readers/formats.js';
import { readFrom, readSecret } from './read-secret.js';

/** Options that name what opens a file. */
export interface ImportKeys {
  passphraseFile?: string;
  identityFile?: string;
  secretFile?: string;
}

/**
 * What decrypts a file.
 *
 * @param isForPassphrase whether a passphrase opens it, and not a private key
 * @throws StartError if it is missing
 */
export async function keysOf(
  { passphraseFile, identityFile }: ImportKeys,
  env: Environment,
  isForPassphrase: boolean,
): Promise<DecryptWith> {
  if (identityFile !== undefined) {
    const text = await readFrom(identityFile);
    // As age-keygen writes it: comments, and a key a line.
    const identities = text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
    if (identities.length === 0)
      throw new StartError(`${identityFile} holds no private key`);
    return { identities };
  }
  if (!isForPassphrase)
    throw new StartError(
      'The file is encrypted to a public key: give --identity-file <file> with the private key',
    );
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

/** Secrets of the systems whose exports are encrypted, and the variables that hold them: the first is the one to name. */
const FOREIGN_SECRETS = {
  'better-auth': {
    name: 'The secret of better-auth',
    variables: ['BETTER_AUTH_SECRET', 'BETTER_AUTH_SECRETS'],
  },
  privacyidea: {
    name: 'The key of the export of privacyIDEA',
    variables: ['PRIVACYIDEA_KEY'],
  },
} as const satisfies Record<EncryptedFormat, unknown>;

/** The secret of the system that a file comes from. @throws StartError if it is missing */
export function foreignSecretOf(
  format: EncryptedFormat,
  { secretFile }: ImportKeys,
  env: Environment,
): Promise<string> {
  const { name, variables } = FOREIGN_SECRETS[format];
  return readSecret({
    name,
    file: secretFile,
    option: '--secret-file',
    value: variables.map((variable) => env[variable]).findLast(Boolean),
    variable: variables[0],
  });
}
