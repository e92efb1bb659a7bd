import { isObject } from '../../settings/option-type.js';
import { toBase32 } from '../../factors/otp.js';
import type { Entry, ExchangeFactor } from '../exchange.js';
import { openFernet } from '../fernet.js';
import { UsersByFactor } from '../group-by-user.js';
import {
  type Input,
  isHex,
  parseJson,
  readDocument,
  textOf,
} from '../input.js';
import { StartError } from '../../settings/start-error.js';
import { readRows } from './csv.js';

/** The columns of `pi-tokenjanitor find export --format csv`, which writes no header; HOTP has no time step. */
const COLUMNS = ['owner', 'serial', 'otpkey', 'type', 'otplen', 'timeStep'];
/** The version 0x80 of a Fernet token and the zeros that its time begins with, in base64. */
const FERNET = /^gAAAA/;

/**
 * Tokens of privacyIDEA, as `pi-tokenjanitor find export` writes them: format `pi`,
 * encrypted, or `csv`. The owner's login name is the `unique_id`. PINs are not
 * taken: here a code is the second factor alone.
 *
 * @param key of format `pi`, as shown by the export
 * @see https://github.com/privacyidea/privacyidea/blob/master/privacyidea/cli/pitokenjanitor/utils/findtokens.py
 */
export async function* readPrivacyIdea(
  input: Input,
  key: () => Promise<string>,
): AsyncGenerator<Entry, void> {
  const text = (await readDocument(input)).trim();
  const users = new UsersByFactor();
  if (FERNET.test(text) || text.startsWith('[')) {
    const tokens = FERNET.test(text)
      ? parseJson(decrypted(await key(), text))
      : parseJson(text);
    if (!Array.isArray(tokens))
      throw new StartError('The file is no export of privacyIDEA');
    for (const [index, token] of (tokens as unknown[]).entries()) {
      const problem = addToken(users, index + 1, token);
      if (problem !== undefined) yield { line: index + 1, problem };
    }
  } else
    for await (const { line, row, problem } of readRows(
      (async function* () {
        yield Buffer.from(text);
      })(),
      COLUMNS,
    )) {
      // The realm follows the last "@": a login name may be an address.
      const owner = row?.owner ?? '';
      const why =
        problem ??
        addToken(users, line, {
          ...row,
          info_list: { timeStep: row?.timeStep },
          user: {
            login: owner.slice(0, Math.max(0, owner.lastIndexOf('@'))),
            realm: owner.slice(owner.lastIndexOf('@') + 1),
          },
        });
      if (why !== undefined) yield { line, problem: why };
    }
  yield* users.entries();
}

function decrypted(key: string, text: string): string {
  try {
    return openFernet(key.trim(), text).toString('utf8');
  } catch (error) {
    throw new StartError(
      'The export of privacyIDEA cannot be decrypted: its key is another one',
      { cause: error },
    );
  }
}

/** @returns why the token is not taken */
function addToken(
  users: UsersByFactor,
  line: number,
  token: unknown,
): string | undefined {
  if (!isObject(token)) return 'is not a token of privacyIDEA';
  const user = isObject(token.user) ? token.user : {};
  if (typeof user.login !== 'string' || user.login === '')
    return 'is a token that belongs to nobody';
  const type = textOf(token.type).toLowerCase();
  if (type !== 'totp' && type !== 'hotp')
    return 'is a token that is neither TOTP nor HOTP';
  if (token.active === false || token.revoked === true || token.locked === true)
    return 'is a token that is disabled, revoked or locked in privacyIDEA';
  const rollout = token.rollout_state;
  if (typeof rollout === 'string' && !['', 'enrolled'].includes(rollout))
    return 'is a token whose enrolment has not ended';
  // A login name is unique within its realm and resolver alone.
  const owner = JSON.stringify([
    user.login,
    textOf(user.realm),
    textOf(user.resolver),
  ]);
  users.add(line, user.login, owner, factorOf(token, type));
  return undefined;
}

function factorOf(
  {
    otpkey,
    otplen,
    description,
    counter,
    info_list: info,
  }: Record<string, unknown>,
  kind: 'totp' | 'hotp',
): ExchangeFactor {
  const { timeStep, hashlib } = isObject(info) ? info : {};
  return {
    kind,
    name: description,
    secret: keyOf(otpkey),
    // privacyIDEA itself reads a CSV without it as SHA-1.
    algorithm: hashlib,
    digits: otplen,
    // Python writes a missing one as "None".
    period: ['', 'None'].includes(textOf(timeStep))
      ? undefined
      : textOf(timeStep),
    // It counts the next step that is accepted; the code of the last one stays used.
    counter:
      kind === 'totp' &&
      Number.isSafeInteger(counter) &&
      (counter as number) > 0
        ? (counter as number) - 1
        : 0,
  };
}

/** Hexadecimal in lower case, or with `--b32` base32 in upper case. */
function keyOf(otpkey: unknown): unknown {
  return typeof otpkey === 'string' && isHex(otpkey)
    ? toBase32(Buffer.from(otpkey, 'hex'))
    : otpkey;
}
