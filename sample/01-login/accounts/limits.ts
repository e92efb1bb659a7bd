import { Injectable } from '@nestjs/common';
import { Allowance, type Limit } from './allowance.js';

/** How much guessing the sample bears. */
export interface LimitOptions {
  /** Wrong passwords for one name. @default 5 in 5 minutes */
  signInsPerName: Limit;
  /** Wrong passwords from one address. @default 20 in 5 minutes */
  signInsPerAddress: Limit;
  /** Accounts asked for from one address; whether a name is taken can be asked as often. @default 10 in an hour */
  registrationsPerAddress: Limit;
}

export const DEFAULT_LIMITS: LimitOptions = {
  signInsPerName: { times: 5, seconds: 300 },
  signInsPerAddress: { times: 20, seconds: 300 },
  registrationsPerAddress: { times: 10, seconds: 3600 },
};

/** Raised where too much was tried. */
export class TooManyError extends Error {
  constructor(readonly retryAfterSeconds: number) {
    super(`Too many attempts; the next one is in ${retryAfterSeconds} s`);
  }
}

/** Limits by name and by address. Names that do not exist count like those that do. */
@Injectable()
export class Limits {
  private readonly names: Allowance;
  private readonly addresses: Allowance;
  private readonly registrations: Allowance;

  constructor(options: LimitOptions, now: () => number) {
    this.names = new Allowance(options.signInsPerName, now);
    this.addresses = new Allowance(options.signInsPerAddress, now);
    this.registrations = new Allowance(options.registrationsPerAddress, now);
  }

  /**
   * Counts before the password is looked at, so that parallel guesses cannot
   * outrun the count, and takes it back if it was right or not looked at.
   *
   * @param attempt `undefined` where the password is wrong
   * @throws TooManyError
   */
  async signIn<T>(
    login: string,
    address: string,
    attempt: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    allow(this.addresses.take(address));
    allow(this.names.take(login));
    let counts = false;
    try {
      const result = await attempt();
      counts = result === undefined;
      return result;
    } finally {
      if (!counts) {
        this.addresses.giveBack(address);
        this.names.giveBack(login);
      }
    }
  }

  /** @throws TooManyError */
  register(address: string): void {
    allow(this.registrations.take(address));
  }
}

function allow(seconds: number): void {
  if (seconds > 0) throw new TooManyError(seconds);
}
