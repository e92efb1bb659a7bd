import { Injectable } from '@nestjs/common';
import { Keyring } from './keyring.js';
import type { FactorRow, UserRow } from './schema.js';

/** Whose factor it is, by the names that a site knows. */
export type Owner = Pick<UserRow, 'realm' | 'unique_id'>;

/**
 * Marks seals that are bound to the user's `unique_id`; older ones are bound to the
 * row, and begin with the id of a key, which contains no colon.
 */
export const SEAL_PREFIX = '2:';

/**
 * Seals and opens the secrets of factors. A secret is bound to its realm,
 * `unique_id`, factor, and the way codes are made of it: someone who can write to the database cannot give
 * one user's secret to another, or swap the `unique_id`s of two users.
 */
@Injectable()
export class FactorSecrets {
  constructor(private readonly keyring: Keyring) {}

  seal(secret: Buffer, owner: Owner, place: SealedPlace): string {
    return SEAL_PREFIX + this.keyring.seal(secret, placeOf(owner, place));
  }

  /** @throws Error if the secret was altered or moved, or its key is not in the ring */
  open(factor: Sealed, owner: Owner): Buffer {
    const { secret } = factor;
    if (!secret.startsWith(SEAL_PREFIX))
      throw new Error('The secret of a factor has an old seal');
    return this.keyring.open(
      secret.slice(SEAL_PREFIX.length),
      placeOf(owner, factor),
    );
  }

  /** The keyed hash of a recovery code, bound like a secret. */
  hashCode(code: string, owner: Owner): string {
    return this.keyring.hashRecovery(subjectOf(code, owner), owner.realm);
  }

  /** Whether a recovery code has this hash; in constant time. */
  matchesCode(hash: string, code: string, owner: Owner): boolean {
    return this.keyring.matchesRecovery(
      hash,
      subjectOf(code, owner),
      owner.realm,
    );
  }

  /** Renews the seal of a secret from before 0.2.0; `undefined` if it is current. */
  reseal(
    factor: Sealed & Pick<FactorRow, 'user_id'>,
    owner: Owner,
  ): string | undefined {
    const { secret, kind, user_id } = factor;
    if (kind === 'recovery' || secret.startsWith(SEAL_PREFIX)) return undefined;
    const field = kind === 'totp' ? 'totp_secret' : 'otp_secret';
    const opened = this.keyring.open(secret, `users\n${user_id}\n${field}`);
    return this.seal(opened, owner, factor);
  }
}

/** The columns of {@link Sealed}, and whose they are. */
export const SEALED_COLUMNS = [
  'factors.id',
  'user_id',
  'kind',
  'algorithm',
  'digits',
  'period',
  'secret',
] as const;

/** What a secret is bound to, besides its owner. */
export type SealedPlace = Pick<
  FactorRow,
  'id' | 'kind' | 'algorithm' | 'digits' | 'period'
>;

type Sealed = SealedPlace & Pick<FactorRow, 'secret'>;

/** Associated data. Realms contain no line break, and `unique_id`s no control character. */
function placeOf(
  { realm, unique_id }: Owner,
  { kind, id, algorithm, digits, period }: SealedPlace,
): string {
  return ['factor', realm, unique_id, kind, id, algorithm, digits, period].join(
    '\n',
  );
}

function subjectOf(code: string, { realm, unique_id }: Owner): string {
  return `recovery\n${realm}\n${unique_id}\n${code}`;
}
