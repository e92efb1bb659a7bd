import type {
  AuthMethod,
  CheckResult,
} from '../../contract/dto/check-result.dto.js';
import { asText } from '../../contract/dto/from-wire.js';
import { GAuthifyUser } from '../../contract/dto/gauthify-user.dto.js';
import { wireNamesOf } from '../../contract/dto/wire-name.decorator.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { isObject } from './answer.js';

const FIELDS = wireNamesOf(GAuthifyUser);

/** Reads a user. @throws ServerError where `data` is none */
export function readUser(data: unknown): GAuthifyUser {
  const raw = readObject(data);
  const user = new GAuthifyUser() as GAuthifyUser & Record<string, unknown>;
  // By hand, and not by class-transformer: a million users may come through.
  for (const [property, wire] of FIELDS) {
    // A copy: `raw` stays as it was received.
    user[property] = copyOf(raw[wire]);
  }
  // There for who asks for it, and no second copy of the secret for who prints
  // or serialises the user.
  Object.defineProperty(user, 'raw', { value: raw, enumerable: false });
  return user;
}

/** Reads a list, whatever is in it. @throws ServerError where `data` is none */
export function readList(data: unknown): unknown[] {
  if (!Array.isArray(data)) throw unexpected(data);
  return data;
}

/** Reads the list of error codes. @throws ServerError where `data` is none */
export function readErrors(data: unknown): Record<string, string> {
  return readObject(data) as Record<string, string>;
}

const METHODS: readonly unknown[] = [
  'totp',
  'otp',
  'email',
  'sms',
  'voice',
] satisfies AuthMethod[];

/**
 * Whether a code was right, and of which kind: whatever is not plainly "yes" is "no".
 *
 * @throws ServerError where the answer names another user: a cache or proxy mixed answers up
 */
export function readCheckResult(uniqueId: string, data: unknown): CheckResult {
  if (!isObject(data)) return { uniqueId, authenticated: false, method: null };
  // The hosted service may leave it out.
  const named = asText(data['unique_id']) ?? uniqueId;
  if (named !== uniqueId) throw unexpected(data);
  if (data['authenticated'] !== true)
    return { uniqueId, authenticated: false, method: null };
  const { method, epoch } = data;
  return {
    uniqueId,
    authenticated: true,
    method: METHODS.includes(method) ? (method as AuthMethod) : null,
    ...(typeof epoch === 'string' && { epoch }),
  };
}

function readObject(data: unknown): Record<string, unknown> {
  if (!isObject(data)) throw unexpected(data);
  return data;
}

function unexpected(data: unknown): ServerError {
  return new ServerError('GAuthify gave an unexpected answer.', {
    responseBody: data,
  });
}

/** A deep copy of a value read from JSON. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, copyOf(inner)]),
  );
}
