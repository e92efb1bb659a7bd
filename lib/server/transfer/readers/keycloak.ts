import { isObject } from '../../settings/option-type.js';
import { toBase32 } from '../../factors/otp.js';
import type { Entry, ExchangeFactor, ExchangeUser } from '../exchange.js';
import { type Input, parseJson, readJson, textOf } from '../input.js';
import { StartError } from '../../settings/start-error.js';

/** What of a Keycloak user is the `unique_id` here. */
export type KeycloakId = 'username' | 'id' | 'email';

/**
 * A realm or users file of `kc.sh export`. Users without an OTP credential are left
 * out. Recovery codes are hashed there, and cannot be checked here.
 *
 * @see https://www.keycloak.org/server/importExport
 * @see https://github.com/keycloak/keycloak/blob/main/server-spi/src/main/java/org/keycloak/models/credential/OTPCredentialModel.java
 */
export async function* readKeycloak(
  input: Input,
  id: KeycloakId = 'username',
): AsyncGenerator<Entry, void> {
  const json = await readJson(input);
  const users = isObject(json) ? json.users : json;
  if (!Array.isArray(users))
    throw new StartError(
      'The file has no users: run kc.sh export with --users same_file or different_files, and import the files of users',
    );
  for (const [index, user] of (users as unknown[]).entries()) {
    const line = index + 1;
    if (!isObject(user)) {
      yield { line, problem: 'is not a user of Keycloak' };
      continue;
    }
    const credentials = Array.isArray(user.credentials) ? user.credentials : [];
    const factors = (credentials as unknown[])
      .filter(isObject)
      .filter(({ type }) => ['otp', 'totp', 'hotp'].includes(textOf(type)))
      .map(factorOf);
    if (factors.length > 0) yield { line, user: userOf(user, id, factors) };
  }
}

function userOf(
  user: Record<string, unknown>,
  id: KeycloakId,
  factors: ExchangeFactor[],
): ExchangeUser {
  const name = [user.firstName, user.lastName].filter(
    (part) => typeof part === 'string' && part !== '',
  );
  return {
    unique_id: user[id],
    display_name: name.join(' ') || user.username,
    email: user.email,
    factors,
  };
}

/** `secretData` and `credentialData` are JSON in a string. */
function factorOf(credential: Record<string, unknown>): ExchangeFactor {
  const secretData = parsed(credential.secretData);
  const data = parsed(credential.credentialData);
  const { value } = secretData;
  const { secretEncoding: encoding } = data;
  return {
    kind: data.subType === 'hotp' ? 'hotp' : 'totp',
    name: credential.userLabel,
    // Without an encoding, the key is the text itself [OTPCredentialModel.getDecodedSecret].
    secret:
      typeof value !== 'string'
        ? undefined
        : encoding === undefined || encoding === null
          ? toBase32(Buffer.from(value, 'utf8'))
          : /^base32$/i.test(encoding as string)
            ? value
            : undefined,
    algorithm: data.algorithm,
    digits: data.digits,
    period: data.period,
  };
}

function parsed(json: unknown): Record<string, unknown> {
  const value = typeof json === 'string' ? parseJson(json) : undefined;
  return isObject(value) ? value : {};
}
