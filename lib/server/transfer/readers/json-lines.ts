import { isObject } from '../../settings/option-type.js';
import {
  type Entry,
  EXPORT_FORMAT,
  EXPORT_VERSION,
  type ExportHeader,
  type ExportRealm,
  type RecoveryKey,
} from '../exchange.js';
import type { ReadOptions } from './readers.js';
import { type Input, parseJson, readLines } from '../input.js';
import { idOfKey } from '../../store/recovery-keys.js';
import { StartError } from '../../settings/start-error.js';

/** One for each realm and each key that hashes. */
const MAX_RECOVERY_KEYS = 1_000;

/**
 * JSON lines: one user a line. An export has a header before and a count after them.
 *
 * @param onHeader called with the header of an export
 * @throws StartError if an export is of a newer version, or was cut off
 */
export async function* readJsonLines(
  input: Input,
  { onHeader, onRealm }: Pick<ReadOptions, 'onHeader' | 'onRealm'> = {},
): AsyncGenerator<Entry, void> {
  let isExport = false;
  let users = 0;
  let announced: unknown;
  for await (const { line, text } of readLines(input)) {
    const json = text === undefined ? undefined : parseJson(text);
    if (!isObject(json)) {
      users += 1;
      yield { line, problem: 'is not a JSON object in one line' };
      continue;
    }
    if (line === 1 && json.format === EXPORT_FORMAT) {
      await onHeader?.(headerOf(json));
      isExport = true;
    } else if (isExport && json.unique_id === undefined && 'users' in json) {
      announced = json.users;
    } else if (isExport && isRealm(json)) {
      const problem = await onRealm?.(json);
      if (problem !== undefined) yield { line, problem };
    } else {
      users += 1;
      yield { line, user: json };
    }
  }
  if (isExport && announced !== users)
    throw new StartError(
      'The export was cut off: its last line, which counts the users, is missing or wrong. What came before it is imported',
    );
}

const isRealm = (
  json: Record<string, unknown>,
): json is Record<string, unknown> & ExportRealm =>
  typeof json.realm === 'string' && 'realm_settings' in json;

/** Its id is made of the key: a key cannot take the place of another one. */
function isRecoveryKey(value: unknown): value is RecoveryKey {
  if (!isObject(value) || typeof value.key !== 'string') return false;
  const key = Buffer.from(value.key, 'base64');
  return key.length === 32 && value.id === idOfKey(key);
}

function headerOf(json: Record<string, unknown>): ExportHeader {
  if (json.version !== EXPORT_VERSION)
    throw new StartError(
      `The export is of version ${typeof json.version === 'number' ? json.version : '?'}, and this program reads version ${EXPORT_VERSION}: use a newer gauthify-server`,
    );
  const keys = Array.isArray(json.recovery_keys)
    ? (json.recovery_keys as unknown[])
    : [];
  if (keys.length > MAX_RECOVERY_KEYS)
    throw new StartError(
      `The export has more than ${MAX_RECOVERY_KEYS} keys of recovery codes: export fewer realms at a time`,
    );
  return {
    format: EXPORT_FORMAT,
    version: EXPORT_VERSION,
    recovery_keys: keys.filter(isRecoveryKey),
  };
}
