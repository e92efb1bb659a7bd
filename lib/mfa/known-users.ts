import { Inject, Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import { NotFoundError } from '../contract/errors/not-found.error.js';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import { GAuthifyService } from '../client/gauthify.service.js';
import { type KnownUser, methodsOf } from './known-user.js';
import type {
  GAuthifyResolvedOptions,
  MfaVerification,
} from './mfa.options.js';
import { OutageLog } from './outage-log.js';

const METHODS_MS = 30_000;
const DEFAULT_RECHECK_SECONDS = 30;
/** Verifications have whole seconds, and the clocks of two instances differ. */
const CLOCK_SKEW_MS = 6_000;
/** No user is asked about more often, also where GAuthify fails or does not know them: a flood would use up the rate limit of all. */
const REUSE_MS = 1000;
/** After a question without an answer, a proof stands this long before the next: it may have been revoked. */
const RETRY_MS = 2000;
const CAPACITY = 10_000;

/** What is known of a user, and since when. */
interface Known {
  /** Of two answers, the one with the higher number was asked for later. */
  order: number;
  /** When GAuthify was asked for this; `-Infinity` where it never answered. */
  readAt: number;
  /** When GAuthify was last asked, also without success. */
  askedAt: number;
  epoch?: string | undefined;
  isDeleted?: boolean;
  user?: KnownUser;
  /** Why the last question had no answer. */
  error?: Error;
}

/**
 * Caches what GAuthify says of users for a short time: the kinds of code each
 * can be asked for, which a challenge names, and the epoch, which tells whether
 * an earlier verification still counts.
 */
@Injectable()
export class KnownUsers {
  private readonly known = new Map<string, Known>();
  /** At most one for each user. */
  private readonly lookups = new Map<
    string,
    { order: number; known: Promise<Known> }
  >();
  private readonly recheckMs: number;
  private asked = 0;

  constructor(
    private readonly gauthify: GAuthifyService,
    private readonly outages: OutageLog,
    @Inject(GAUTHIFY_MODULE_OPTIONS) { mfa }: GAuthifyResolvedOptions,
  ) {
    this.recheckMs =
      (mfa.proof?.recheckSeconds ?? DEFAULT_RECHECK_SECONDS) * 1000;
  }

  /** @throws GAuthifyError as `getUser`; an error is cached for a second */
  async methods(userId: string): Promise<readonly AuthMethod[]> {
    const known = this.known.get(userId);
    if (known?.user && Date.now() - known.readAt <= METHODS_MS)
      return known.user.methods;
    return (await this.recent(userId)).user!.methods;
  }

  /** What GAuthify said at most a second ago; `undefined` where it does not know the user. @throws GAuthifyError */
  find(userId: string): Promise<KnownUser | undefined> {
    return unlessNotFound(this.recent(userId));
  }

  /** As {@link find}, but asks again where an answer would let the user enrol without a second factor. */
  findToEnrol(userId: string): Promise<KnownUser | undefined> {
    const { error, user } = this.known.get(userId) ?? {};
    const hasNoFactor =
      error === undefined
        ? user?.methods.length === 0
        : error instanceof NotFoundError;
    return unlessNotFound(
      hasNoFactor ? this.lookUp(userId) : this.recent(userId),
    );
  }

  /**
   * Whether an earlier verification still counts: the user was not deleted, and
   * the epoch has not moved. While GAuthify cannot be asked, the last known
   * answer decides; without one, the verification counts.
   */
  async isCurrent(verification: MfaVerification): Promise<boolean> {
    if (this.recheckMs === 0) return true;
    const { userId } = verification;
    const known = this.known.get(userId);
    const hasFailed = known?.error && !(known.error instanceof NotFoundError);
    const waitMs = hasFailed
      ? Math.min(RETRY_MS, this.recheckMs)
      : this.recheckMs;
    if (known && Date.now() - known.askedAt < waitMs) {
      if (isEpochOf(known, verification)) return true;
      // Another instance may have verified a newer epoch than is known here:
      // ask GAuthify, unless that has just failed.
      if (!isNewerThan(known, verification)) return false;
      if (hasFailed) return true;
    }
    try {
      return isEpochOf(await this.lookUp(userId), verification);
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      const before = this.known.get(userId);
      return (
        !before ||
        isEpochOf(before, verification) ||
        isNewerThan(before, verification)
      );
    }
  }

  /** Call it before a check, and the function it returns with the epoch of a right code. */
  beginCheck(userId: string): (epoch: string | undefined) => void {
    const [order, at] = [++this.asked, Date.now()];
    return (epoch) => {
      // What is being asked may be answered with what was true before this code.
      this.lookups.delete(userId);
      const known = this.known.get(userId);
      // A later question may have been answered before this code or after it.
      if (known && known.order > order) this.forget(userId);
      // Without `methods`: a first code enrols, which changes them.
      else this.keep(userId, { order, readAt: at, askedAt: at, epoch });
    };
  }

  /** Drops what is known of a user who was changed, and what is being asked. */
  forget(userId: string): void {
    this.known.delete(userId);
    this.lookups.delete(userId);
  }

  /** What the last question brought, an error too, unless it is more than a second old. */
  private async recent(userId: string): Promise<Known> {
    const known = this.known.get(userId);
    if (known && Date.now() - known.askedAt < REUSE_MS) {
      if (known.error !== undefined) {
        if (!(known.error instanceof NotFoundError))
          this.outages.report(known.error);
        throw known.error;
      }
      // A right code left nothing but its epoch.
      if (known.user) return known;
    }
    return await this.lookUp(userId);
  }

  private lookUp(userId: string): Promise<Known> {
    const running = this.lookups.get(userId);
    if (running) return running.known;
    const order = ++this.asked;
    const known = this.ask(userId, order).finally(() => {
      if (this.isWanted(userId, order)) this.lookups.delete(userId);
    });
    this.lookups.set(userId, { order, known });
    return known;
  }

  private async ask(userId: string, order: number): Promise<Known> {
    const at = Date.now();
    const keep = (known: Omit<Known, 'order'>): Known => {
      if (this.isWanted(userId, order)) this.keep(userId, { ...known, order });
      return { ...known, order };
    };
    try {
      const user = await firstValueFrom(this.gauthify.getUser(userId));
      const { epoch, enrolled } = user;
      const known = { enrolled, methods: methodsOf(user) };
      return keep({ readAt: at, askedAt: at, epoch, user: known });
    } catch (error) {
      if (error instanceof NotFoundError)
        keep({ readAt: at, askedAt: at, isDeleted: true, error });
      else {
        this.outages.report(error);
        const before = this.known.get(userId) ?? { readAt: -Infinity };
        keep({ ...before, askedAt: Date.now(), error: error as Error });
      }
      throw error;
    }
  }

  /** Whether `forget` was not called since. */
  private isWanted(userId: string, order: number): boolean {
    return this.lookups.get(userId)?.order === order;
  }

  private keep(userId: string, known: Known): void {
    const before = this.known.get(userId);
    if (before && before.order > known.order) return;
    this.known.delete(userId);
    this.known.set(userId, known);
    // A Map keeps the order of insertion: the first entry is the oldest.
    if (this.known.size > CAPACITY)
      this.known.delete(this.known.keys().next().value!);
  }
}

async function unlessNotFound(
  asked: Promise<Known>,
): Promise<KnownUser | undefined> {
  try {
    return (await asked).user;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

function isEpochOf(known: Known, { epoch }: MfaVerification): boolean {
  // Nothing was read that could contradict the verification.
  if (known.readAt === -Infinity) return true;
  return !known.isDeleted && known.epoch === epoch;
}

const isNewerThan = (known: Known, { verifiedAt }: MfaVerification): boolean =>
  verifiedAt.getTime() + CLOCK_SKEW_MS >= known.readAt;
