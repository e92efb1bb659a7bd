import { CreateFactorDto } from '../../contract/dto/create-factor.dto.js';
import { parseDto } from '../../contract/dto/parse-dto.js';
import { PASS_PARAMETERS, TOTP_DEFAULTS } from '../factors/otp.js';
import type { FactorRow } from '../store/schema.js';
import { fromBase32 } from './base32.js';
import { idOf, wholeNumberOf } from './check-fields.js';
import type { ExchangeFactor } from './exchange.js';
import { newId } from './new-row.js';

/** 80 bits: what Google Authenticator's own examples have. Shorter ones can be guessed from a few codes. */
const MIN_SECRET_BYTES = 10;
/** RFC 4226 §4 requires 128 bits; shorter ones are accepted, since they are in people's phones, and counted. */
export const STRONG_SECRET_BYTES = 16;
/** The block of SHA-512; a longer secret would be hashed first [RFC 2104]. */
const MAX_SECRET_BYTES = 128;

const USUAL = { ...TOTP_DEFAULTS, name: null };
const PASS = { ...PASS_PARAMETERS, name: null };

/** A factor before its secret is sealed. */
export type OpenFactor = Omit<FactorRow, 'user_id' | 'secret'> & {
  /** of a recovery code, its keyed hash */
  secret: Buffer | string;
};

/** A factor that passed, or why it did not. */
export type CheckedFactor =
  | { factor: OpenFactor; problem?: undefined }
  | { factor?: undefined; problem: string };

/**
 * Checks an authenticator app or the one-time passes of an export.
 *
 * @param defaults for a factor that says nothing about itself
 */
export function checkFactor(
  given: ExchangeFactor,
  defaults: Pick<FactorRow, 'state' | 'created_at'>,
): CheckedFactor {
  const kind = given.kind ?? 'totp';
  if (kind === 'hotp')
    return {
      problem:
        'has a counter-based code (HOTP), which this server does not check: the person has to enrol again',
    };
  if (kind !== 'totp' && kind !== 'otp')
    return { problem: 'has a factor of an unknown kind' };
  const secret = secretOf(given.secret);
  if (typeof secret === 'string') return { problem: secret };
  const parameters = kind === 'otp' ? PASS : parametersOf(given);
  if (typeof parameters === 'string') return { problem: parameters };
  const state = given.state ?? defaults.state;
  if (state !== 'active' && state !== 'pending')
    return {
      problem: 'has a factor whose state is neither active nor pending',
    };
  // Every field by its name: after a spread, each takes a microsecond.
  const factor = {
    id: idOf(given.id, 40) ?? newId(),
    kind,
    name: parameters.name,
    state,
    secret,
    algorithm: parameters.algorithm,
    digits: parameters.digits,
    period: parameters.period,
    counter: wholeNumberOf(given.counter, 0),
    created_at: wholeNumberOf(given.created_at, defaults.created_at),
    last_used_at: wholeNumberOf(given.last_used_at, null),
    // Only an app that was never used expires.
    expires_at:
      kind === 'otp' || state === 'active'
        ? null
        : wholeNumberOf(given.expires_at, null),
  };
  const isWrong = Object.values(factor).includes(undefined);
  return isWrong
    ? { problem: 'has a factor with a time or counter that is no whole number' }
    : { factor: factor as OpenFactor };
}

/** The bytes of a secret, or what is wrong with it. */
function secretOf(text: unknown): Buffer | string {
  const secret = typeof text === 'string' ? fromBase32(text) : undefined;
  if (!secret) return 'has a secret that is not base32';
  if (secret.length < MIN_SECRET_BYTES)
    return `has a secret of ${secret.length} bytes: at least ${MIN_SECRET_BYTES} are needed, so the person has to enrol again`;
  return secret.length > MAX_SECRET_BYTES
    ? `has a secret of ${secret.length} bytes: at most ${MAX_SECRET_BYTES} are possible`
    : secret;
}

function parametersOf(given: ExchangeFactor) {
  if (isUsual(given)) return USUAL;
  const { name, algorithm, digits, period } = given;
  const { value, problems } = parseDto(CreateFactorDto, {
    kind: 'totp',
    name: name ?? undefined,
    algorithm: algorithmOf(algorithm),
    digits: digits ?? undefined,
    period: period ?? undefined,
  });
  if (!value) return `has a factor whose ${problems[0]!.message}`;
  return {
    name: value.name ?? null,
    algorithm: value.algorithm ?? TOTP_DEFAULTS.algorithm,
    digits: value.digits ?? TOTP_DEFAULTS.digits,
    period: value.period ?? TOTP_DEFAULTS.period,
  };
}

/** Those of most authenticator apps: a file of a million need not be validated. */
function isUsual({ name, ...given }: ExchangeFactor): boolean {
  const { algorithm, digits, period } = TOTP_DEFAULTS;
  return (
    (name ?? null) === null &&
    (given.algorithm ?? algorithm) === algorithm &&
    (given.digits ?? digits) === digits &&
    (given.period ?? period) === period
  );
}

/** `SHA1` also as `sha1`, `SHA-1` and `HmacSHA1`. */
function algorithmOf(name: unknown): unknown {
  if (name === null || name === '') return undefined;
  return typeof name === 'string'
    ? name
        .toUpperCase()
        .replace(/^HMAC-?/, '')
        .replace(/^SHA-/, 'SHA')
    : name;
}
