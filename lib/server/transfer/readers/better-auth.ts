import { isObject } from '../../settings/option-type.js';
import { createHash } from 'node:crypto';
import { toBase32 } from '../../factors/otp.js';
import type { Entry } from '../exchange.js';
import { type Input, isHex, parseJson, readDocument } from '../input.js';
import { StartError } from '../../settings/start-error.js';
import { openXChaCha } from '../xchacha.js';
import { readRows } from './csv.js';

/** `$ba$<version>$<hex>`: encrypted with one of several versioned secrets. */
const ENVELOPE = /^\$ba\$(\d+)\$([0-9a-f]+)$/;

/**
 * The `twoFactor` table of better-auth, as a JSON list or CSV with its columns
 * (`userId`, `secret`, `backupCodes`); `email` and `name`, joined from `user`, are
 * taken too. The user's id is the `unique_id`.
 *
 * @param appSecret `BETTER_AUTH_SECRET`, or `BETTER_AUTH_SECRETS` as `2:…,1:…`
 * @see https://github.com/better-auth/better-auth/blob/main/packages/better-auth/src/crypto/index.ts
 */
export async function* readBetterAuth(
  input: Input,
  appSecret: string,
): AsyncGenerator<Entry, void> {
  const keys = keysOf(appSecret);
  for await (const { line, row, problem } of rowsOf(input))
    if (row) yield entryOf(line, row, keys);
    else yield { line, problem };
}

type Row =
  | { line: number; row: Record<string, unknown>; problem?: undefined }
  | { line: number; row?: undefined; problem: string };

async function* rowsOf(input: Input): AsyncGenerator<Row, void> {
  const text = await readDocument(input);
  if (!text.trimStart().startsWith('[')) {
    yield* readRows(chunkOf(text));
    return;
  }
  const json = parseJson(text);
  if (!Array.isArray(json)) throw new StartError('The file is not JSON');
  for (const [index, row] of (json as unknown[]).entries())
    yield isObject(row)
      ? { line: index + 1, row }
      : { line: index + 1, problem: 'is not a row of the table twoFactor' };
}

async function* chunkOf(text: string): AsyncGenerator<Uint8Array, void> {
  yield Buffer.from(text);
}

function entryOf(
  line: number,
  row: Record<string, unknown>,
  open: Open,
): Entry {
  // Names of columns as they are in the table, in lower case, or with underscores.
  const get = (...names: string[]) =>
    names.map((name) => row[name]).find((value) => value !== undefined);
  const secret = open(get('secret'));
  const codes = codesOf(
    get('backupCodes', 'backupcodes', 'backup_codes'),
    open,
  );
  if (secret === undefined || codes === undefined)
    return {
      line,
      problem: 'cannot be decrypted: the secret of better-auth is another one',
    };
  const isVerified = ![false, 0, 'false', 'f', '0'].includes(
    get('verified') as string,
  );
  return {
    line,
    user: {
      unique_id: get('userId', 'userid', 'user_id'),
      display_name: get('name', 'email'),
      email: get('email'),
      // Its key is the text itself [createOTP].
      factors: [{ secret: toBase32(Buffer.from(secret)) }],
      enrolled: isVerified,
      recovery_codes: codes,
    },
  };
}

/** `undefined` if they cannot be read; they may be stored as they are. */
function codesOf(stored: unknown, open: Open): unknown[] | undefined {
  if (stored === undefined || stored === null || stored === '') return [];
  const text =
    typeof stored === 'string' && stored.startsWith('[')
      ? stored
      : open(stored);
  const codes = text === undefined ? undefined : parseJson(text);
  return Array.isArray(codes) ? (codes as unknown[]) : undefined;
}

/** Decrypts a value; `undefined` if none of the secrets does. */
type Open = (value: unknown) => string | undefined;

function keysOf(appSecret: string): Open {
  const versions = /^\d+:/.test(appSecret)
    ? appSecret.split(',').map((entry) => entry.trim())
    : [];
  const secretOf = new Map(
    versions.map((entry): [string, string] => {
      const at = entry.indexOf(':');
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
  return (value) => {
    if (typeof value !== 'string') return undefined;
    const [, version, sealed = value] = ENVELOPE.exec(value) ?? [];
    const secrets =
      version === undefined
        ? secretOf.size > 0
          ? // Of the time before there were versions: one of them was the only secret.
            [...secretOf.values()]
          : [appSecret]
        : [secretOf.get(version) ?? (secretOf.size > 0 ? '' : appSecret)];
    if (!isHex(sealed)) return undefined;
    for (const secret of secrets)
      try {
        const key = createHash('sha256').update(secret).digest();
        return openXChaCha(key, Buffer.from(sealed, 'hex')).toString('utf8');
      } catch {
        // Another one of them, or none.
      }
    return undefined;
  };
}
