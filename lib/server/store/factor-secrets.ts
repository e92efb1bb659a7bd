import { Injectable } from '@nestjs/common';
import { Keyring } from './keyring.js';
import type { FactorKind, FactorRow, UserRow } from './schema.js';

/** Whose factor it is, by the names that a site knows. */
export type Owner = Pick<UserRow, 'realm' | 'unique_id'>;

/**
 * Marks seals that are bound to the user's `unique_id`; older ones are bound to the
 * row, and begin with the id of a key, which contains no colon.
 */
export const CURRENT = '2:';

/**
 * Seals and opens the secrets of factors. A secret is bound to its realm,
 * `unique_id`, kind and factor: someone who can write to the database cannot give
 * one user's secret to another, or swap the `unique_id`s of two users.
 */
@Injectable()
export class FactorSecrets {
  constructor(private readonly keyring: Keyring) {}

  seal(secret: Buffer, owner: Owner, kind: FactorKind, id: string): string {
    return CURRENT + this.keyring.seal(secret, placeOf(owner, kind, id));
  }

  /** @throws Error if the secret was altered or moved, or its key is not in the ring */
  open({ secret, kind, id }: Sealed, owner: Owner): Buffer {
    if (!secret.startsWith(CURRENT))
      throw new Error('The secret of a factor has an old seal');
    return this.keyring.open(
      secret.slice(CURRENT.length),
      placeOf(owner, kind, id),
    );
  }

  /** The keyed hash of a recovery code, bound like a secret. */
  hashCode(code: string, owner: Owner): string {
    return this.keyring.hash(subjectOf(code, owner));
  }

  /** Whether a recovery code has this hash; in constant time. */
  matchesCode(hash: string, code: string, owner: Owner): boolean {
    return this.keyring.matches(hash, subjectOf(code, owner));
  }

  /** Renews the seal of a secret from before 0.2.0; `undefined` if it is current. */
  reseal(
    factor: Sealed & Pick<FactorRow, 'user_id'>,
    owner: Owner,
  ): string | undefined {
    const { secret, kind, id, user_id } = factor;
    if (kind === 'recovery' || secret.startsWith(CURRENT)) return undefined;
    const field = kind === 'totp' ? 'totp_secret' : 'otp_secret';
    const opened = this.keyring.open(secret, `users\n${user_id}\n${field}`);
    return this.seal(opened, owner, kind, id);
  }
}

type Sealed = Pick<FactorRow, 'id' | 'kind' | 'secret'>;

/** Associated data. Realms contain no line break, and `unique_id`s no control character. */
function placeOf(owner: Owner, kind: FactorKind, id: string): string {
  return `factor\n${owner.realm}\n${owner.unique_id}\n${kind}\n${id}`;
}

function subjectOf(code: string, { realm, unique_id }: Owner): string {
  return `recovery\n${realm}\n${unique_id}\n${code}`;
}
