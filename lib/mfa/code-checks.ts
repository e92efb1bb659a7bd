import { Injectable } from '@nestjs/common';
import { defer, from, type Observable, of, switchMap, tap } from 'rxjs';
import { GAuthifyService } from '../client/gauthify.service.js';
import { isPossibleAuthCode } from '../contract/dto/auth-code.js';
import type { CheckResult } from '../contract/dto/check-result.dto.js';
import { RateLimitError } from '../contract/errors/rate-limit.error.js';
import { KnownUsers } from './known-users.js';
import { MfaEvents } from './mfa-events.js';
import type { MfaVerification } from './mfa.options.js';
import { MfaProofs } from './proofs.js';
import { UserLimit } from './user-limit.js';

/**
 * Checks codes at GAuthify. Holds back checks that GAuthify would refuse, so
 * that one signed-in user cannot use up the rate limit of all.
 */
@Injectable()
export class CodeChecks {
  private readonly limit = new UserLimit();

  constructor(
    private readonly gauthify: GAuthifyService,
    private readonly users: KnownUsers,
    private readonly events: MfaEvents,
    private readonly proofs: MfaProofs,
  ) {}

  /** See `MfaService.verify`. */
  check(
    userId: string,
    code: string,
    binding: string | undefined,
  ): Observable<MfaVerification | null> {
    return defer(() => {
      if (typeof code === 'string' && !isPossibleAuthCode(code))
        return this.reject(userId);
      const setEpoch = this.users.beginCheck(userId);
      const check = () =>
        this.gauthify.check(userId, code).pipe(
          tap({
            error: (error) => {
              if (error instanceof RateLimitError)
                this.events.emit({ type: 'locked', userId });
            },
          }),
        );
      return this.limit.run(userId, check).pipe(
        switchMap((result) => {
          if (!result.authenticated) return this.reject(userId);
          setEpoch(result.epoch);
          return from(this.accept(userId, result, binding));
        }),
      );
    });
  }

  /** Ends the wait that is remembered of the user. */
  forget(userId: string): void {
    this.limit.forget(userId);
  }

  private reject(userId: string): Observable<null> {
    this.events.emit({ type: 'failed', userId });
    return of(null);
  }

  private async accept(
    userId: string,
    { method = null, epoch }: CheckResult,
    binding: string | undefined,
  ): Promise<MfaVerification> {
    this.forget(userId);
    // Whole seconds, as in `auth_time` of the proof.
    const verifiedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
    const verification = { userId, method, verifiedAt, epoch };
    const proof = await this.proofs.sign(verification, binding);
    this.events.emit({ type: 'verified', userId, method });
    return proof === undefined ? verification : { ...verification, proof };
  }
}

/** A code that is being checked, or was checked. */
export interface SharedCheck {
  userId: string;
  code: string;
  /** Who checks it: each module has its own. */
  checker: object;
  /** What the code was first checked for. */
  subject: object;
  result: Promise<MfaVerification | null>;
}

const sharedChecks = new WeakMap<object, SharedCheck>();

/**
 * The check of this code that `carrier`, the request, began before; else begins
 * it. The parts of a request (GraphQL fields, two guards) share one check.
 */
export function shareCheck(
  carrier: object,
  wanted: Omit<SharedCheck, 'result'>,
  begin: () => Promise<MfaVerification | null>,
): SharedCheck & { isShared: boolean } {
  const earlier = sharedChecks.get(carrier);
  if (
    earlier &&
    earlier.userId === wanted.userId &&
    earlier.code === wanted.code &&
    earlier.checker === wanted.checker
  )
    return { ...earlier, isShared: true };
  const check = { ...wanted, result: begin() };
  sharedChecks.set(carrier, check);
  // A check that failed may be tried again on the same socket.
  check.result.catch(() => {
    if (sharedChecks.get(carrier) === check) sharedChecks.delete(carrier);
  });
  return { ...check, isShared: false };
}

/** Whether the request brings no code at all. */
export const isMissing = (code: unknown): boolean =>
  typeof code === 'string'
    ? code.trim() === ''
    : code === undefined || code === null;
