import type { Entry, ExchangeFactor, ExchangeUser } from './exchange.js';

interface Collected {
  line: number;
  /** Who the factors belong to, in the words of the file. */
  owner: string;
  user: ExchangeUser & { factors: ExchangeFactor[] };
  isAmbiguous: boolean;
}

/**
 * Collects the factors of users in formats that list one factor after the other.
 * Owners who are distinct in the other system are not merged into one user: each could
 * log in with the authenticator app of the other.
 */
export class UsersByFactor {
  private readonly users = new Map<string, Collected>();

  /**
   * @param line the first one of a user is theirs
   * @param owner the whole name of the owner; equal for the factors of one person
   */
  add(
    line: number,
    uniqueId: string,
    owner: string,
    factor: ExchangeFactor,
  ): void {
    const known = this.users.get(uniqueId);
    if (known) {
      known.user.factors.push(factor);
      known.isAmbiguous ||= known.owner !== owner;
    } else
      this.users.set(uniqueId, {
        line,
        owner,
        user: { unique_id: uniqueId, factors: [factor] },
        isAmbiguous: false,
      });
  }

  *entries(): Generator<Entry, void> {
    for (const { line, user, isAmbiguous } of this.users.values())
      yield isAmbiguous
        ? {
            line,
            problem:
              'is one of several owners who would get the same unique_id: import them one realm or issuer at a time, or rename one',
          }
        : { line, user };
  }
}
