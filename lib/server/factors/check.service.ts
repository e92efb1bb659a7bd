import { Inject, Injectable } from '@nestjs/common';
import {
  isPossibleAuthCode,
  normalizeAuthCode,
} from '../../contract/dto/auth-code.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { DATABASE, type Database, type UserRow } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { UserSecrets } from '../store/user-secrets.js';
import { type AcceptedCode, AttemptLimiter } from './attempt-limiter.js';
import { matchTotp, ONE_TIME_PASS_DIGITS, oneTimePass } from './otp.js';
import { constantTimeEqual } from '../store/random.js';
import { SentCodes } from './sent-codes.js';

/**
 * Decides "authenticated"; nothing else does.
 *
 * Every kind of code is accepted by a compare-and-set: the statement that marks
 * the code as used also tells whether it was still unused. Of any number of
 * requests with the same code, on any number of instances, one succeeds.
 */
@Injectable()
export class CheckService {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly secrets: UserSecrets,
    private readonly attempts: AttemptLimiter,
    private readonly sentCodes: SentCodes,
  ) {}

  /**
   * Checks a code as the user typed it, and marks a right one as used.
   *
   * @param options.sentCodesIfEnrolled whether a code sent by e-mail, SMS or voice
   *   is accepted from a user with an authenticator app; if not, it counts as wrong
   *   and stays unused. @default true
   * @returns `null` if the code is wrong, used or expired
   * @throws RateLimitError if the user has to wait or is locked: the code is not compared
   */
  async check(
    userId: string,
    typed: string,
    { sentCodesIfEnrolled = true } = {},
  ): Promise<AcceptedCode | null> {
    const user = await this.attempts.reserve(userId);
    if (!isPossibleAuthCode(typed)) return null;
    const code = normalizeAuthCode(typed);
    if (code.length === ONE_TIME_PASS_DIGITS)
      return await this.useOneTimePass(user, code);
    const byApp = await this.useTotp(user, code);
    if (byApp) return byApp;
    if (user.enrolled === 1 && !sentCodesIfEnrolled) return null;
    return await this.sentCodes.use(user, code);
  }

  private async useTotp(
    user: UserRow,
    code: string,
  ): Promise<AcceptedCode | undefined> {
    const step = matchTotp(
      this.secrets.totp(user),
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
      // `reset_key` may have replaced the secret since the comparison.
      .where('totp_secret', '=', user.totp_secret)
      .returning('epoch')
      .executeTakeFirst();
    return row && { method: 'totp', epoch: row.epoch };
  }

  private async useOneTimePass(
    user: UserRow,
    code: string,
  ): Promise<AcceptedCode | null> {
    const expected = oneTimePass(this.secrets.otp(user), user.otp_counter);
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
