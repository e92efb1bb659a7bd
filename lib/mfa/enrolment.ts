import { Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import { GAuthifyService } from '../client/gauthify.service.js';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import { ConflictError } from '../contract/errors/conflict.error.js';
import type { SecondFactorResult } from './denials.js';
import type { KnownUser } from './known-user.js';
import { KnownUsers } from './known-users.js';
import type { SecondFactorAttempt } from './mfa-context.js';
import { atLeastAsStrongAs } from './mfa-policy.js';
import { type MfaChannel, MfaService } from './mfa.service.js';
import { SecondFactorService } from './second-factor.service.js';
import { UserLimit } from './user-limit.js';

/** Oldest second factor that may change the factor, seconds. */
const FRESH_SECONDS = 60;

/** A user has a new secret. */
export interface Enrolled {
  readonly outcome: 'enrolled';
  readonly user: GAuthifyUser;
  /** The second factor that allowed it; `undefined` where the user had none. */
  readonly allowedBy: SecondFactorResult | undefined;
}

/** Gives users a secret for their authenticator app. */
@Injectable()
export class Enrolment {
  private readonly limit = new UserLimit();

  constructor(
    private readonly users: KnownUsers,
    private readonly gauthify: GAuthifyService,
    private readonly secondFactor: SecondFactorService,
    private readonly mfa: MfaService,
  ) {}

  /**
   * Gives the user a new secret, or creates the user with one. Whoever can be
   * asked for a second factor needs a fresh one: as strong as the strongest they
   * have, or one of `recoverBy`. Neither a password alone nor a mailbox may
   * replace the authenticator app.
   *
   * @throws GAuthifyError
   * @throws RateLimitError the user has two enrolments under way
   */
  enrol(
    attempt: SecondFactorAttempt,
    displayName: string,
    recoverBy: readonly MfaChannel[],
  ): Promise<Enrolled | SecondFactorResult> {
    return firstValueFrom(
      this.limit.run(attempt.userId, () =>
        this.decide(attempt, displayName, recoverBy),
      ),
    );
  }

  private async decide(
    attempt: SecondFactorAttempt,
    displayName: string,
    recoverBy: readonly MfaChannel[],
  ): Promise<Enrolled | SecondFactorResult> {
    const { userId } = attempt;
    for (let isLastTry = false; ; isLastTry = true) {
      const user = await this.users.findToEnrol(userId);
      const methods = user?.methods ?? [];
      let allowedBy: SecondFactorResult | undefined;
      if (methods.length > 0) {
        const policy = {
          maxAgeSeconds: FRESH_SECONDS,
          methods: [...atLeastAsStrongAs(methods), ...recoverBy],
          safeMode: false,
        };
        allowedBy = await this.secondFactor.prove({ ...attempt, policy });
        if (allowedBy.outcome !== 'admitted') return allowedBy;
      }
      try {
        const renewed = await firstValueFrom(
          this.renew(userId, displayName, user),
        );
        return { outcome: 'enrolled', user: renewed, allowedBy };
      } catch (error) {
        // Another request created or enrolled the user meanwhile: decide again.
        if (isLastTry || !(error instanceof ConflictError)) throw error;
      } finally {
        this.mfa.forget(userId);
      }
    }
  }

  private renew(userId: string, displayName: string, user?: KnownUser) {
    const { gauthify } = this;
    if (!user) return gauthify.createUser({ uniqueId: userId, displayName });
    return gauthify.updateUser(userId, {
      resetKey: true,
      // Else a password alone would do until the new app is confirmed,
      keepEnrolled: user.enrolled === true,
      // or just after the first app was.
      unlessEnrolled: user.enrolled === false,
    });
  }
}

/** The name in the authenticator app: what the application calls the user. */
export function displayNameOf(user: object, userId: string): string {
  const { name, username, email } = user as Record<string, unknown>;
  const known = [name, username, email].find(
    (value) => typeof value === 'string' && value !== '',
  ) as string | undefined;
  // GAuthify takes one line of at most 255 characters, and no half of a surrogate pair.
  return (known ?? userId)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .slice(0, 255)
    .replace(/[\ud800-\udbff]$/, '');
}
