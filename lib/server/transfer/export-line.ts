import { toBase32 } from '../factors/otp.js';
import type { FactorSecrets } from '../store/factor-secrets.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import type { ExchangeFactor, ExchangeUser, USER_COLUMNS } from './exchange.js';

type Line = ExchangeUser & Record<(typeof USER_COLUMNS)[number], unknown>;

/** The line of a user. Every field by its name: spreads take as long as the rest of an export. */
export function lineOf(
  user: UserRow,
  factors: readonly FactorRow[],
  secrets: FactorSecrets,
): Line {
  return {
    id: user.id,
    realm: user.realm,
    unique_id: user.unique_id,
    display_name: user.display_name,
    email: user.email,
    sms_number: user.sms_number,
    voice_number: user.voice_number,
    meta: user.meta === null ? null : (JSON.parse(user.meta) as unknown),
    enrolled: user.enrolled === 1,
    failures: user.failures,
    next_attempt_at: user.next_attempt_at,
    wrong_codes_until: user.wrong_codes_until,
    created_at: user.created_at,
    epoch: user.epoch,
    factors: factors.map((factor) =>
      factor.kind === 'recovery'
        ? recoveryCodeOf(factor)
        : factorOf(factor, toBase32(secrets.open(factor, user))),
    ),
  };
}

function recoveryCodeOf(factor: FactorRow): ExchangeFactor {
  return {
    id: factor.id,
    kind: factor.kind,
    secret: factor.secret,
    created_at: factor.created_at,
  };
}

function factorOf(factor: FactorRow, secret: string): ExchangeFactor {
  return {
    id: factor.id,
    kind: factor.kind,
    name: factor.name,
    state: factor.state,
    secret,
    algorithm: factor.algorithm,
    digits: factor.digits,
    period: factor.period,
    counter: factor.counter,
    created_at: factor.created_at,
    last_used_at: factor.last_used_at,
    expires_at: factor.expires_at,
  };
}
