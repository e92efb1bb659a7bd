import { isObject } from '../../settings/option-type.js';
import type { Entry } from '../exchange.js';
import { UsersByFactor } from '../group-by-user.js';
import { type Input, readJson, textOf } from '../input.js';
import { StartError } from '../../settings/start-error.js';
import { accountOf } from './otpauth.js';

/**
 * Decrypted seeds of Authy, as the export tools write them: a list of `{ name,
 * decrypted_seed, digits }`, bare or as `decrypted_authenticator_tokens`. The seeds
 * are base32. Authy's own tokens (7 digits, 10 seconds) are refused.
 *
 * @see https://github.com/AlexTech01/Authy-iOS-MiTM
 */
export async function* readAuthy(input: Input): AsyncGenerator<Entry, void> {
  const json = await readJson(input);
  const tokens = isObject(json) ? json.decrypted_authenticator_tokens : json;
  if (!Array.isArray(tokens))
    throw new StartError(
      'The file has no decrypted_authenticator_tokens: decrypt the seeds first; a list of otpauth:// URIs is --format otpauth',
    );
  const users = new UsersByFactor();
  for (const [index, token] of (tokens as unknown[]).entries()) {
    const line = index + 1;
    const name = isObject(token) ? textOf(token.name) : '';
    const account = accountOf(name);
    if (!isObject(token) || account === '')
      yield { line, problem: 'is a token without a name' };
    else
      users.add(line, account, name, {
        secret: token.decrypted_seed ?? token.secret,
        digits: token.digits,
        period: token.period,
      });
  }
  yield* users.entries();
}
