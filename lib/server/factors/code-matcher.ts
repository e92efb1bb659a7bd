import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { FactorSecrets } from '../store/factor-secrets.js';
import { Keyring } from '../store/keyring.js';
import { constantTimeEqual } from '../store/random.js';
import type {
  ComparedFactor,
  LiveSentCode,
  LockedUser,
} from './check-queries.js';
import { matchTotp, oneTimePass } from './otp.js';
import { sentCodeSubject } from './sent-codes.js';

/** The factor that made a code, and its counter after that code. */
export interface Match {
  factor: ComparedFactor;
  counter: number;
}

/** Compares codes with what is stored, in constant time. Changes nothing. */
@Injectable()
export class CodeMatcher {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly secrets: FactorSecrets,
    private readonly keyring: Keyring,
  ) {}

  /** The factor of a user that made a code; `undefined` if the code is wrong or was used. */
  factorOf(
    user: LockedUser,
    code: string,
    factors: readonly ComparedFactor[],
  ): Match | undefined {
    for (const factor of factors) {
      const counter = this.counterAfter(factor, code, user);
      if (counter !== undefined) return { factor, counter };
    }
    return undefined;
  }

  /** The counter of a factor after this code; `undefined` if the code is wrong or was used. */
  private counterAfter(
    factor: ComparedFactor,
    code: string,
    user: LockedUser,
  ): number | undefined {
    const { kind, counter } = factor;
    if (kind === 'recovery')
      return this.secrets.matchesCode(factor.secret, code, user)
        ? counter
        : undefined;
    const secret = this.secrets.open(factor, user);
    if (kind === 'otp')
      return constantTimeEqual(code, oneTimePass(secret, counter))
        ? counter + 1
        : undefined;
    const { totpWindowSteps } = this.settings.security;
    const step = matchTotp(secret, code, this.now(), totpWindowSteps, factor);
    return step !== undefined && step > counter ? step : undefined;
  }

  /** The sent code of a user that equals a code. */
  sentCodeOf(
    user: LockedUser,
    code: string,
    live: readonly LiveSentCode[],
  ): LiveSentCode | undefined {
    return live.find(({ channel, code_hash }) =>
      this.keyring.matches(code_hash, sentCodeSubject(user, channel, code)),
    );
  }
}
