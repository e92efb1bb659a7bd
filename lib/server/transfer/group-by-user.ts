import type { Entry, ExchangeFactor, ExchangeUser } from './exchange.js';

/** Collects the factors of users in formats that list one factor after the other. */
export class UsersByFactor {
  private readonly users = new Map<
    string,
    { line: number; user: ExchangeUser & { factors: ExchangeFactor[] } }
  >();

  /** @param line the first one of a user is theirs */
  add(
    line: number,
    uniqueId: string,
    factor: ExchangeFactor,
    details: ExchangeUser = {},
  ): void {
    const known = this.users.get(uniqueId);
    if (known) known.user.factors.push(factor);
    else
      this.users.set(uniqueId, {
        line,
        user: { ...details, unique_id: uniqueId, factors: [factor] },
      });
  }

  entries(): Iterable<Entry> {
    return this.users.values();
  }
}
