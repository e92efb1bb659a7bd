import { randomInt, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import type { Unit } from '../store/database.js';
import { FactorSecrets } from '../store/factor-secrets.js';
import type { FactorRow, UserRow } from '../store/schema.js';

const COUNT = 10;
/** Base32 in lower case: no `0`, `1`, `8` or `9`, which look like letters. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
/** 50 random bits. */
const LENGTH = 10;

/** Codes that a user keeps for the day they lose their authenticator app. `CheckDecision` accepts each once. */
@Injectable()
export class RecoveryCodes {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    private readonly secrets: FactorSecrets,
  ) {}

  /** Makes ten codes, which replace the ones before. They are shown this once: only their hashes are stored. */
  async renew({ db }: Unit, user: UserRow): Promise<string[]> {
    const codes = Array.from({ length: COUNT }, newCode);
    await db
      .deleteFrom('factors')
      .where('user_id', '=', user.id)
      .where('kind', '=', 'recovery')
      .execute();
    await db
      .insertInto('factors')
      .values(codes.map((code) => this.rowOf(code, user)))
      .execute();
    return codes.map(
      (code) => `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`,
    );
  }

  private rowOf(code: string, user: UserRow): FactorRow {
    return {
      id: randomUUID(),
      user_id: user.id,
      kind: 'recovery',
      name: null,
      state: 'active',
      secret: this.secrets.hashCode(code, user),
      algorithm: 'SHA256',
      digits: LENGTH,
      period: 0,
      counter: 0,
      created_at: this.now(),
      last_used_at: null,
      expires_at: null,
    };
  }
}

function newCode(): string {
  return Array.from(
    { length: LENGTH },
    () => ALPHABET[randomInt(ALPHABET.length)],
  ).join('');
}
