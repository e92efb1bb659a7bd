import { Inject, Injectable } from '@nestjs/common';
import {
  isPossibleAuthCode,
  normalizeAuthCode,
} from '../../contract/dto/auth-code.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { Keyring } from '../store/keyring.js';
import { DATABASE, type Database, type UserRow } from '../store/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import { openOtpSecret, openTotpSecret } from '../store/user-secrets.js';
import { Attempts } from './attempts.js';
import type { Accepted } from './accepted.js';
import { matchTotp, ONE_TIME_PASS_DIGITS, oneTimePass } from './otp.js';
import { constantTimeEqual } from '../store/random.js';
import { SentCodes } from './sent-codes.js';

/**
 * The one place that decides "authenticated".
 *
 * Every kind of code is accepted by a compare-and-set: the statement that uses
 * the code up is the one that says whether it was still there to use. Of any
 * number of requests with the same code, on any number of instances, one wins.
 */
@Injectable()
export class CheckService {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
    private readonly attempts: Attempts,
    private readonly sentCodes: SentCodes,
  ) {}

  /**
   * Checks what a user typed, and uses it up.
   *
   * @returns what was accepted; `null` where the code was wrong, used or expired
   * @throws RateLimitError where the user has to wait: the code is not looked at
   */
  async check(userId: string, typed: string): Promise<Accepted | null> {
    const user = await this.attempts.reserve(userId);
    if (!isPossibleAuthCode(typed)) return null;
    const code = normalizeAuthCode(typed);
    if (code.length === ONE_TIME_PASS_DIGITS)
      return await this.useOneTimePass(user, code);
    return (
      (await this.useTotp(user, code)) ?? (await this.sentCodes.use(user, code))
    );
  }

  private async useTotp(
    user: UserRow,
    code: string,
  ): Promise<Accepted | undefined> {
    const step = matchTotp(
      openTotpSecret(this.keyring, user),
      code,
      this.now(),
      this.settings.security.totpWindowSteps,
    );
    if (step === undefined) return undefined;
    const row = await this.db
      .updateTable('users')
      .set({ last_step: step, enrolled: 1, ...this.attempts.forgiveAll() })
      .where('id', '=', user.id)
      .where('last_step', '<', step)
      // The secret the code was compared with: `reset_key` may just have replaced it.
      .where('totp_secret', '=', user.totp_secret)
      .returning('epoch')
      .executeTakeFirst();
    return row && { method: 'totp', epoch: row.epoch };
  }

  private async useOneTimePass(
    user: UserRow,
    code: string,
  ): Promise<Accepted | null> {
    const expected = oneTimePass(
      openOtpSecret(this.keyring, user),
      user.otp_counter,
    );
    if (!constantTimeEqual(code, expected)) return null;
    const row = await this.db
      .updateTable('users')
      .set({
        otp_counter: user.otp_counter + 1,
        ...this.attempts.forgiveAll(),
      })
      .where('id', '=', user.id)
      .where('otp_counter', '=', user.otp_counter)
      .where('otp_secret', '=', user.otp_secret)
      .returning('epoch')
      .executeTakeFirst();
    return row ? { method: 'otp', epoch: row.epoch } : null;
  }
}
