import { Inject, Injectable } from '@nestjs/common';
import type { AuthMethod } from '../../dto/check-result.dto.js';
import { CLOCK, type Clock } from '../clock.js';
import { Keyring } from '../database/keyring.js';
import { DATABASE, type Database, type UserRow } from '../database/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings.js';
import { openOtpSecret, openTotpSecret } from '../users/user-secrets.js';
import { ATTEMPTS_FORGIVEN, Attempts } from './attempts.js';
import {
  CODE_DIGITS,
  matchTotp,
  ONE_TIME_PASS_DIGITS,
  oneTimePass,
} from './otp.js';
import { constantTimeEqual } from './random.js';
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
   * @returns the kind of code it was; `null` where it was wrong, used or expired
   * @throws RateLimitError where the user has to wait: the code is not looked at
   */
  async check(userId: string, typed: string): Promise<AuthMethod | null> {
    const user = await this.attempts.reserve(userId);
    // People copy codes with the spaces and dashes that apps show them with.
    const code = typed.replace(/[\s-]/g, '');
    if (!/^\d+$/.test(code)) return null;
    if (code.length === ONE_TIME_PASS_DIGITS)
      return (await this.useOneTimePass(user, code)) ? 'otp' : null;
    if (code.length !== CODE_DIGITS) return null;
    if (await this.useTotp(user, code)) return 'totp';
    return await this.sentCodes.use(user.id, code);
  }

  private async useTotp(user: UserRow, code: string): Promise<boolean> {
    const step = matchTotp(
      openTotpSecret(this.keyring, user),
      code,
      this.now(),
      this.settings.security.totpWindowSteps,
    );
    if (step === undefined) return false;
    const { numUpdatedRows } = await this.db
      .updateTable('users')
      .set({ last_step: step, enrolled: 1, ...ATTEMPTS_FORGIVEN })
      .where('id', '=', user.id)
      .where('last_step', '<', step)
      // The secret the code was compared with: `reset_key` may just have replaced it.
      .where('totp_secret', '=', user.totp_secret)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  }

  private async useOneTimePass(user: UserRow, code: string): Promise<boolean> {
    const expected = oneTimePass(
      openOtpSecret(this.keyring, user),
      user.otp_counter,
    );
    if (!constantTimeEqual(code, expected)) return false;
    const { numUpdatedRows } = await this.db
      .updateTable('users')
      .set({ otp_counter: user.otp_counter + 1, ...ATTEMPTS_FORGIVEN })
      .where('id', '=', user.id)
      .where('otp_counter', '=', user.otp_counter)
      .where('otp_secret', '=', user.otp_secret)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  }
}
