import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import type { ServerError } from '../../contract/errors/server.error.js';
import { rawRequest, type RawRequest } from './raw-request.js';
import { Attempts } from '../factors/attempts.js';
import { DELIVERY_UNKNOWN } from '../delivery/delivery.service.js';
import {
  type AnswerOfUser,
  type Claim,
  KeptAnswers,
} from '../store/kept-answers.js';
import { REPETITION, type Repetition } from './repetition.decorator.js';

/**
 * Answers a repeated request with what was answered to the first, where both
 * carry the same `Idempotency-Key`: a lost answer costs nobody a second SMS.
 *
 * Only successes are kept, and the error that says that nobody knows. Any other
 * means that nothing was done: the repetition is then the first request.
 *
 * A kept answer ends with the user's epoch: after `reset_key`, a deletion or a
 * change of an address, a repetition is neither "authenticated" nor told a
 * secret, old or new. Nothing is done a second time either; what the repetition
 * is told then, each call says (`OnRepetition`), by default that the user was
 * changed since. The claim stands: this holds for an answer that was being made
 * while the user was reset, too.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly kept: KeptAnswers,
    private readonly attempts: Attempts,
    private readonly reflector: Reflector,
  ) {}

  async intercept(
    context: ExecutionContext,
    next: CallHandler<unknown>,
  ): Promise<Observable<unknown>> {
    // With every answer, so that a client knows before it depends on it.
    this.adapterHost.httpAdapter.setHeader(
      context.switchToHttp().getResponse(),
      'Idempotency-Scope',
      await this.kept.scope(),
    );
    const request = rawRequest(context);
    const key = keyOf(request);
    if (key === undefined) return next.handle();
    const repetition =
      this.reflector.get<Repetition | undefined>(
        REPETITION,
        context.getHandler(),
      ) ?? {};
    return from(this.once(request, key, repetition, next));
  }

  private async once(
    request: RawRequest,
    key: string,
    { afterChange = userChanged, triesCode }: Repetition,
    next: CallHandler<unknown>,
  ): Promise<unknown> {
    const realm = request.gauthifyRealm!;
    const claimed = await this.kept.claimOrAnswer(
      { realm, key, content: contentOf(request) },
      triesCode
        ? () => this.attempts.refuseWaiting(realm, uniqueIdOf(request))
        : undefined,
    );
    if ('answer' in claimed)
      return (await this.kept.isCurrent(realm, claimed.answer))
        ? claimed.answer
        : afterChange(claimed.answer as AnswerOfUser);
    let answer: unknown;
    try {
      answer = await lastValueFrom(next.handle());
    } catch (error) {
      const { errorCode, message } = error as Partial<ServerError>;
      // What may have been done is not done again.
      if (errorCode === DELIVERY_UNKNOWN)
        await this.orLog(
          this.kept.keep(claimed, {
            failure: { message: message!, errorCode },
          }),
          'kept',
        );
      else await this.orLog(this.kept.release(claimed), 'given back');
      throw error;
    }
    // It was done: the caller is told, also where it cannot be kept.
    await this.orLog(
      this.kept.keep(claimed satisfies Claim, { answer }),
      'kept',
    );
    return answer;
  }

  private async orLog(work: Promise<void>, what: string): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.logger.error(
        `An Idempotency-Key could not be ${what}: ${(error as Error).name}`,
      );
    }
  }
}

function userChanged(): never {
  throw new ConflictError(
    'The request was carried out, but the user was reset, changed or deleted since: get the user to see them as they are now',
    { errorCode: 'user_changed' },
  );
}

/** As the handler will read it; anything but a string is for its validation to refuse. */
function uniqueIdOf({ gauthifyParams }: RawRequest): unknown {
  return gauthifyParams instanceof ParameterError
    ? undefined
    : gauthifyParams?.unique_id;
}

function keyOf({ method, headers }: RawRequest): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined || method === 'GET' || method === 'HEAD')
    return undefined;
  if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key))
    throw new ParameterError(
      'The header Idempotency-Key must be 1 to 255 printable ASCII characters',
    );
  return key;
}

/** The request, whether its parameters came by query, form or JSON. Other spellings of a value are another request. */
function contentOf({ method, url, gauthifyParams }: RawRequest): string {
  const params = Object.entries(
    gauthifyParams instanceof ParameterError ? {} : (gauthifyParams ?? {}),
  )
    // The credentials are not what is asked for; they may be rotated in between.
    .filter(([name]) => name !== 'api_key')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([method, url?.split('?', 1)[0], params]);
}
