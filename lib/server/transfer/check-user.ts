import { MAX_TOTPS } from '../factors/factors.service.js';
import { REALM } from '../settings/realm-key.js';
import { randomUUID } from 'node:crypto';
import {
  isRecoveryCode,
  normalizeAuthCode,
} from '../../contract/dto/auth-code.js';
import { CreateUserDto } from '../../contract/dto/create-user.dto.js';
import { asFlag } from '../../contract/dto/from-wire.js';
import { parseDto } from '../../contract/dto/parse-dto.js';
import { wireNameOf } from '../../contract/dto/wire-name.decorator.js';
import { toE164 } from '../../contract/dto/phone-number.js';
import { PASS_PARAMETERS, TOTP_DEFAULTS } from '../factors/otp.js';
import { isObject } from '../settings/option-type.js';
import type { FactorSecrets } from '../store/factor-secrets.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import { checkFactor, type OpenFactor } from './check-factor.js';
import { idOf, wholeNumberOf } from './check-fields.js';
import type { ExchangeFactor, ExchangeUser } from './exchange.js';
import { textOf } from './input.js';
import { newId, newSecret } from './new-row.js';

const MAX_RECOVERY_CODES = 100;

/** A user that may be stored. */
export interface CheckedUser {
  user: UserRow;
  /** the fields that the file has: an update changes no others */
  given: ReadonlySet<string>;
  factors: OpenFactor[];
  /** the file has no authenticator app of theirs: they get a new secret, and have to enrol */
  isWithoutFactor: boolean;
  /** what is left out, one sentence each */
  warnings: string[];
  recoveryCodesLeftOut: number;
  /** the file brings ids of rows, which somebody may have already */
  hasIds: boolean;
}

/** What an import knows about all of its users. */
export interface CheckContext {
  /** in place of the file's */
  realm: string | undefined;
  secrets: FactorSecrets;
  /** ids of the keys whose recovery codes work here */
  recoveryKeys: ReadonlySet<string>;
  now: number;
}

/** Checks a user of a file, by the rules of the API. @returns the reason if they cannot be stored */
export function checkUser(
  given: ExchangeUser,
  context: CheckContext,
): CheckedUser | string {
  const user = userOf(given, context);
  if (typeof user === 'string') return user;
  const list = given.factors ?? [];
  if (!Array.isArray(list) || !list.every(isObject))
    return 'factors must be a list of objects';
  const enrolled = given.enrolled === '' ? undefined : asFlag(given.enrolled);
  if (enrolled !== undefined && typeof enrolled !== 'boolean')
    return 'enrolled must be true or false';

  const isHash = ({ kind }: ExchangeFactor) => kind === 'recovery';
  const others = (list as ExchangeFactor[]).filter((one) => !isHash(one));
  const checked = others.map((one, index) =>
    checkFactor(one, {
      state: enrolled === false ? 'pending' : 'active',
      // The oldest one is `key`.
      created_at: user.created_at + index,
    }),
  );
  const factors = checked.flatMap(({ factor }) => factor ?? []);
  const problems = checked.flatMap(({ problem }) => problem ?? []);
  const totps = factors.filter(({ kind }) => kind === 'totp');
  // Without their factor, a password alone could enrol another one.
  if (problems.length > 0 && totps.length === 0) return problems[0]!;
  if (totps.length > MAX_TOTPS)
    return `has ${totps.length} authenticator apps: at most ${MAX_TOTPS} are possible`;
  if (factors.length - totps.length > 1)
    return 'has more than one factor of kind "otp"';

  const recovery = recoveryOf(
    (list as ExchangeFactor[]).filter(isHash),
    given.recovery_codes,
    user,
    // A hash is bound to its realm.
    given.realm === user.realm
      ? context
      : { ...context, recoveryKeys: new Set() },
  );
  if (typeof recovery === 'string') return recovery;
  user.enrolled = Number(
    enrolled ?? totps.some(({ state }) => state === 'active'),
  );
  return {
    user,
    given: new Set(Object.keys(given)),
    factors: [...withFirst(factors, user.created_at), ...recovery.factors],
    isWithoutFactor: totps.length === 0,
    warnings: problems,
    recoveryCodesLeftOut: recovery.leftOut,
    hasIds: [given, ...(list as ExchangeFactor[])].some(
      ({ id }) => id !== undefined,
    ),
  };
}

function userOf(
  given: ExchangeUser,
  { realm: own, now }: CheckContext,
): UserRow | string {
  const realm = own ?? given.realm;
  if (typeof realm !== 'string' || !REALM.test(realm))
    return 'has no realm: give one with --realm';
  const { value, problems } = parseDto(CreateUserDto, {
    unique_id: given.unique_id,
    display_name:
      given.display_name === undefined || given.display_name === ''
        ? given.unique_id
        : given.display_name,
    email: given.email,
    sms_number: given.sms_number,
    voice_number: given.voice_number,
    meta: given.meta,
  });
  if (!value) {
    const { property, message } = problems[0]!;
    return message.replace(property, wireNameOf(CreateUserDto, property));
  }
  const [failures, nextAttemptAt, wrongCodesUntil, createdAt] = [
    wholeNumberOf(given.failures, 0),
    wholeNumberOf(given.next_attempt_at, 0),
    wholeNumberOf(given.wrong_codes_until, 0),
    wholeNumberOf(given.created_at, now),
  ];
  if (failures === undefined) return 'failures must be a whole number';
  if (failures > 0x7fffffff) return 'failures is too large';
  if (nextAttemptAt === undefined)
    return 'next_attempt_at must be a whole number';
  if (wrongCodesUntil === undefined)
    return 'wrong_codes_until must be a whole number';
  if (createdAt === undefined) return 'created_at must be a whole number';
  return {
    id: idOf(given.id, 36) ?? newId(),
    realm,
    unique_id: value.uniqueId,
    display_name: value.displayName,
    email: value.email ?? null,
    sms_number: (value.smsNumber && toE164(value.smsNumber)) || null,
    voice_number: (value.voiceNumber && toE164(value.voiceNumber)) || null,
    meta: value.meta ? JSON.stringify(value.meta) : null,
    enrolled: 0,
    failures,
    next_attempt_at: nextAttemptAt,
    wrong_codes_until: wrongCodesUntil,
    created_at: createdAt,
    epoch: idOf(given.epoch, 36) ?? randomUUID(),
  };
}

/** Recovery codes: the hashes of an export, or the codes of another system. */
function recoveryOf(
  hashes: readonly ExchangeFactor[],
  codes: unknown,
  user: UserRow,
  { secrets, recoveryKeys, now }: CheckContext,
): { factors: OpenFactor[]; leftOut: number } | string {
  if (codes !== undefined && codes !== null && !Array.isArray(codes))
    return 'recovery_codes must be a list';
  const texts = new Set(
    ((codes ?? []) as unknown[]).map((code) => normalizeAuthCode(textOf(code))),
  );
  const usable = [...texts].filter(isRecoveryCode);
  if (hashes.length + usable.length > MAX_RECOVERY_CODES)
    return `has more than ${MAX_RECOVERY_CODES} recovery codes`;
  const kept = hashes.filter(
    ({ secret }) =>
      isKeyedHash(secret) && recoveryKeys.has(secret.split('.', 1)[0]!),
  );
  const row = (secret: string, from: ExchangeFactor = {}): OpenFactor => ({
    id: idOf(from.id, 40) ?? newId(),
    kind: 'recovery',
    name: null,
    state: 'active',
    secret,
    algorithm: 'SHA256',
    digits: 10,
    period: 0,
    counter: 0,
    created_at: wholeNumberOf(from.created_at, now) ?? now,
    last_used_at: null,
    expires_at: null,
  });
  return {
    factors: [
      ...kept.map((one) => row(one.secret as string, one)),
      ...usable.map((code) => row(secrets.hashCode(code, user))),
    ],
    leftOut: hashes.length - kept.length + texts.size - usable.length,
  };
}

const isKeyedHash = (secret: unknown): secret is string =>
  typeof secret === 'string' && /^[\w-]{1,64}\.[\w-]{43}$/.test(secret);

/** With the authenticator app and the one-time passes that every user has. */
function withFirst(factors: OpenFactor[], created_at: number): OpenFactor[] {
  const fresh = (
    kind: 'totp' | 'otp',
    state: FactorRow['state'],
    parameters: Pick<FactorRow, 'algorithm' | 'digits' | 'period'>,
  ): OpenFactor[] =>
    factors.some((one) => one.kind === kind && one.expires_at === null)
      ? []
      : [
          {
            id: newId(),
            kind,
            name: null,
            state,
            secret: newSecret(),
            algorithm: parameters.algorithm,
            digits: parameters.digits,
            period: parameters.period,
            counter: 0,
            created_at,
            last_used_at: null,
            expires_at: null,
          },
        ];
  return [
    ...factors,
    ...fresh('totp', 'pending', TOTP_DEFAULTS),
    ...fresh('otp', 'active', PASS_PARAMETERS),
  ];
}
