import { defer, map, type Observable } from 'rxjs';
import type { CreateFactorDto } from '../contract/dto/create-factor.dto.js';
import type {
  GAuthifyFactor,
  NewGAuthifyFactor,
} from '../contract/dto/gauthify-factor.dto.js';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import type { UpdateFactorDto } from '../contract/dto/update-factor.dto.js';
import { calls } from './calls.js';
import { type CallOptions, checkCallOptions } from './client.options.js';
import type { GAuthifyTransport } from './transport/call.js';
import {
  readFactor,
  readList,
  readNewFactor,
  readRecoveryCodes,
  readUser,
} from './transport/codec.js';
import type { WireCall } from './transport/http-client.js';

/**
 * The calls about the factors of a user: a part of `GAuthifyService`, whose rules
 * are theirs. The server of this package has them, the hosted service does not
 * ({@link NotFoundError}).
 */
export abstract class FactorCalls {
  constructor(protected readonly transport: GAuthifyTransport) {}

  /** The authenticator apps of a user, and their one-time passes; the oldest first. Repeatable. @throws NotFoundError no such user */
  getFactors(
    uniqueId: string,
    options?: CallOptions,
  ): Observable<GAuthifyFactor[]> {
    return this.call(() => calls.factors(uniqueId), options).pipe(
      map((data) => readList(data).map(readFactor)),
    );
  }

  /**
   * Gives a user another authenticator app, and emits it with its secret. It is
   * pending until `checkAuth` accepts its first code. Not repeatable: after a
   * time-out the app may exist, and {@link getFactors} shows it without its secret.
   *
   * @throws ConflictError the user has ten (`too_many_factors`)
   * @throws NotFoundError no such user
   */
  createFactor(
    uniqueId: string,
    factor: CreateFactorDto,
    options?: CallOptions,
  ): Observable<NewGAuthifyFactor> {
    return this.callFor(
      () => calls.createFactor(uniqueId, factor),
      readNewFactor,
      options,
    );
  }

  /** Renames a factor; `null` clears the name. Repeatable. @throws NotFoundError no such user, or no such factor of theirs (`factor_not_found`) */
  updateFactor(
    uniqueId: string,
    factorId: string,
    changes: UpdateFactorDto,
    options?: CallOptions,
  ): Observable<GAuthifyFactor> {
    return this.call(
      () => calls.updateFactor(uniqueId, factorId, changes),
      options,
    ).pipe(map(readFactor));
  }

  /**
   * Deletes an authenticator app, and emits `true`. `key` of the user is then that
   * of the oldest one left. If the app was active, the user's epoch changes: proofs
   * and tokens end.
   *
   * @throws ConflictError the user needs it: it is the only app, the last active one, or their one-time passes (`factor_needed`)
   * @throws NotFoundError no such user, or no such factor of theirs, as after a first call
   */
  deleteFactor(
    uniqueId: string,
    factorId: string,
    options?: CallOptions,
  ): Observable<true> {
    return this.call(
      () => calls.deleteFactor(uniqueId, factorId),
      options,
    ).pipe(map(() => true as const));
  }

  /**
   * Gives a user ten recovery codes, which replace the ones before. Each is
   * accepted once, by `checkAuth`. Show them to the user now: nobody can read them
   * again. Not repeatable: each call makes other codes.
   *
   * @throws NotFoundError no such user
   */
  renewRecoveryCodes(
    uniqueId: string,
    options?: CallOptions,
  ): Observable<string[]> {
    return this.callFor(
      () => calls.renewRecoveryCodes(uniqueId),
      readRecoveryCodes,
      options,
    );
  }

  /** Forgives the wrong codes of a user, so that they need not wait; their secrets stay. Emits the user. Repeatable. @throws NotFoundError no such user */
  unlockUser(
    uniqueId: string,
    options?: CallOptions,
  ): Observable<GAuthifyUser> {
    return this.callFor(() => calls.unlockUser(uniqueId), readUser, options);
  }

  /** @param read reads the answer, and refuses one about another user than that of the call */
  protected callFor<T>(
    prepare: () => WireCall,
    read: (data: unknown, uniqueId: string | undefined) => T,
    options?: CallOptions,
  ): Observable<T> {
    return defer(() => {
      const call = prepare();
      return this.call(() => call, options).pipe(
        map((data) => read(data, call.uniqueId)),
      );
    });
  }

  /** @param prepare called on subscription; may find a bad argument */
  protected call(
    prepare: () => WireCall,
    options?: CallOptions,
  ): Observable<unknown> {
    return defer(() =>
      this.transport.call(prepare(), checkCallOptions(options)),
    );
  }
}
