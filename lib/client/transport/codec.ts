import { type ClassConstructor, instanceToPlain } from 'class-transformer';
import {
  AUTH_METHODS,
  type CheckResult,
} from '../../contract/dto/check-result.dto.js';
import { asText } from '../../contract/dto/from-wire.js';
import {
  GAuthifyFactor,
  NewGAuthifyFactor,
} from '../../contract/dto/gauthify-factor.dto.js';
import { GAuthifyRealm } from '../../contract/dto/gauthify-realm.dto.js';
import { GAuthifyUser } from '../../contract/dto/gauthify-user.dto.js';
import { IsUniqueId } from '../../contract/dto/is-text.decorator.js';
import { parseDto } from '../../contract/dto/parse-dto.js';
import {
  WireName,
  wireNamesOf,
} from '../../contract/dto/wire-name.decorator.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';

/** Parameters of a call by their names on the wire; `null` clears the value. */
export type WireParams = Record<string, string | null>;

/**
 * Validates the arguments of a call as a DTO and writes them as text, by their
 * names on the wire. `null` stays `null`.
 *
 * @throws ParameterError naming what is wrong, by its name in the DTO
 */
export function toParams<T extends object>(
  type: ClassConstructor<T>,
  args: unknown,
): WireParams {
  const plain = instanceToPlain(validated(type, args), {
    exposeUnsetFields: false,
  });
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => [
      name,
      value === null ? null : String(value),
    ]),
  );
}

function validated<T extends object>(
  type: ClassConstructor<T>,
  args: unknown,
): T {
  if (!isObject(args))
    throw new ParameterError(`${type.name} must be an object`);
  const { value, problems } = parseDto(type, args);
  if (problems)
    throw new ParameterError(problems.map(({ message }) => message).join('; '));
  return value;
}

/** Parameters as a form or query: `null` becomes an empty field. */
export const formOf = (params: WireParams): string =>
  new URLSearchParams(
    Object.entries(params).map(([name, value]): [string, string] => [
      name,
      value ?? '',
    ]),
  ).toString();

class UserPath {
  @WireName('unique_id', asText)
  @IsUniqueId()
  uniqueId!: string;
}

/**
 * Path of a user, and their id as text. Percent-encoded, so that an id such as
 * `a/../b` or `a?b` stays that user's and does not become another path.
 *
 * @throws ParameterError if it is not a valid id
 */
export function userPath(given: unknown): { path: string; uniqueId: string } {
  const { uniqueId } = validated(UserPath, { uniqueId: given });
  return { path: `users/${encodeURIComponent(uniqueId)}/`, uniqueId };
}

class FactorPath {
  // As for a user's id: `..` would be the path of the user.
  @WireName('factor_id')
  @IsUniqueId()
  factorId!: string;
}

/** Path of a user's factor, likewise. @throws ParameterError if it cannot be one's id */
export function factorPath(uniqueId: unknown, given: unknown) {
  const user = userPath(uniqueId);
  const { factorId } = validated(FactorPath, { factorId: given });
  const path = `${user.path}factors/${encodeURIComponent(factorId)}/`;
  return { path, uniqueId: user.uniqueId };
}

/** Makes a reader of objects of the wire. By hand, not by class-transformer: fast enough for a million users. */
function readerOf<T extends object>(type: new () => T) {
  const fields = wireNamesOf(type);
  return (raw: Record<string, unknown>): T => {
    const read = new type() as Record<string, unknown>;
    for (const [property, wire] of fields) {
      // A copy: `raw` stays as it was received.
      read[property] = copyOf(raw[wire]);
    }
    return read as T;
  };
}

const toUser = readerOf(GAuthifyUser);
const toFactor = readerOf(GAuthifyFactor);
const toNewFactor = readerOf(NewGAuthifyFactor);

/** Reads a user: the one of `uniqueId`, if that is given. @throws ServerError if `data` is not an object, or another user */
export function readUser(data: unknown, uniqueId?: string): GAuthifyUser {
  const raw = readObject(data);
  refuseOtherUser(raw, uniqueId);
  const user = toUser(raw);
  // Not enumerable: printing or serialising the user must not show the secret twice.
  Object.defineProperty(user, 'raw', { value: raw, enumerable: false });
  return user;
}

/** Reads a factor. @throws ServerError if `data` is not an object */
export const readFactor = (data: unknown): GAuthifyFactor =>
  toFactor(readObject(data));

/** Reads a factor that was just created. @throws ServerError if `data` is not an object, or is about another user */
export function readNewFactor(
  data: unknown,
  uniqueId: string | undefined,
): NewGAuthifyFactor {
  const raw = readObject(data);
  refuseOtherUser(raw, uniqueId);
  return toNewFactor(raw);
}

/** Reads new recovery codes. @throws ServerError if there are none in `data`, or it is about another user */
export function readRecoveryCodes(
  data: unknown,
  uniqueId: string | undefined,
): string[] {
  const raw = readObject(data);
  refuseOtherUser(raw, uniqueId);
  return readList(raw['recovery_codes']).map(String);
}

/** Reads a list of anything. @throws ServerError if `data` is not an array */
export function readList(data: unknown): unknown[] {
  if (!Array.isArray(data)) throw unexpected(data);
  return data;
}

/** Reads the list of error codes. @throws ServerError if `data` is not an object */
/** @throws ServerError if it is no realm */
export function readRealm(data: unknown): GAuthifyRealm {
  const { name, meta } = readObject(data);
  return Object.assign(new GAuthifyRealm(), {
    name,
    meta: meta ?? null,
  });
}

export const readErrors = (data: unknown) =>
  readObject(data) as Record<string, string>;

/** Whether a code was right, and of which kind. Anything but a clear "yes" is "no". @throws ServerError if the answer is about another user */
export function readCheckResult(uniqueId: string, data: unknown): CheckResult {
  if (isObject(data)) refuseOtherUser(data, uniqueId);
  if (!isObject(data) || data['authenticated'] !== true)
    return { uniqueId, authenticated: false, method: null };
  const { method, epoch } = data;
  return {
    uniqueId,
    authenticated: true,
    method: AUTH_METHODS.find((known) => known === method) ?? null,
    ...(typeof epoch === 'string' && { epoch }),
  };
}

/** A cache or proxy may mix up answers. The error does not hold the answer: the secret in it is the other user's. */
function refuseOtherUser(
  data: Record<string, unknown>,
  uniqueId: string | undefined,
): void {
  // The hosted service may leave it out.
  const named = asText(data['unique_id']) ?? uniqueId;
  if (uniqueId === undefined || named === uniqueId) return;
  throw new ServerError(
    'GAuthify answered about another user: a cache or proxy may have mixed up answers.',
  );
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

/** Whether a value read from JSON is an object: no array, no `null`. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
