import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { asText } from '../../contract/dto/from-wire.js';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { DELIVERY_UNKNOWN } from '../delivery/delivery.service.js';
import { AttemptLimiter } from '../factors/attempt-limiter.js';
import {
  type AnswerOfUser,
  IdempotencyStore,
} from '../store/idempotency-store.js';
import { rawRequest, type RawRequest } from './raw-request.js';

/** How a call handles repetitions with the same `Idempotency-Key`. */
interface Repetition {
  /**
   * Makes the answer to a repetition after the user of the stored answer was
   * reset, deleted, or changed in an address or number. It may throw.
   *
   * @default a 409 `user_changed`
   */
  afterChange?: (stored: AnswerOfUser) => unknown;
  /**
   * Whether the call checks a code of the user `unique_id`: if that user has to
   * wait, the request is then refused before anything is written.
   *
   * @default false
   */
  triesCode?: boolean;
}

const REPETITION = 'gauthify:repetition';

/** Changes how a call handles repetitions with the same `Idempotency-Key`. */
export const OnRepetition = (repetition: Repetition): MethodDecorator =>
  SetMetadata(REPETITION, repetition);

/**
 * Answers a repeated request with the answer to the first one if both carry the
 * same `Idempotency-Key`: after a lost answer, nobody is sent a second SMS.
 *
 * Only successes are stored, and the error that says that a message may have
 * been delivered. Any other error means that nothing was done: the repetition
 * is then carried out.
 *
 * A stored answer expires with the user's epoch: after `reset_key`, a deletion or
 * a change of an address, a repetition gets neither "authenticated" nor a
 * secret, old or new, and nothing is carried out again. This also holds if the
 * user is reset while the first request is still running.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly store: IdempotencyStore,
    private readonly attempts: AttemptLimiter,
    private readonly reflector: Reflector,
  ) {}

  async intercept(
    context: ExecutionContext,
    next: CallHandler<unknown>,
  ): Promise<Observable<unknown>> {
    const response: object = context.switchToHttp().getResponse();
    // On every answer, so that a client knows the scope before it relies on it.
    this.adapterHost.httpAdapter.setHeader(
      response,
      'Idempotency-Scope',
      await this.store.scope(),
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
    const claimed = await this.store.claimOrAnswer(
      { realm, key, content: contentOf(request) },
      triesCode
        ? () => this.attempts.refuseWaiting(realm, uniqueIdOf(request))
        : undefined,
    );
    if ('answer' in claimed)
      return (await this.store.isCurrent(realm, claimed.answer))
        ? claimed.answer
        : afterChange(claimed.answer as AnswerOfUser);
    let answer: unknown;
    try {
      answer = await lastValueFrom(next.handle());
    } catch (error) {
      // Not repeated: the message may already have been delivered.
      if (error instanceof ServerError && error.errorCode === DELIVERY_UNKNOWN)
        await this.orLog('stored', this.store.putError(claimed, error));
      else await this.orLog('released', this.store.release(claimed));
      throw error;
    }
    // The request was carried out: the caller gets the answer even if it cannot be stored.
    await this.orLog('stored', this.store.putAnswer(claimed, answer));
    return answer;
  }

  private async orLog(what: string, work: Promise<void>): Promise<void> {
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
    'The request was carried out, but the user was reset, changed or deleted since: get the user to see their current state',
    { errorCode: 'user_changed' },
  );
}

/** As the handler's DTO will read it; its validation refuses anything but a string. */
function uniqueIdOf({ gauthifyParams: params }: RawRequest): unknown {
  if (!params || params instanceof ParameterError) return undefined;
  const { uniqueId, unique_id = uniqueId } = params;
  return asText(unique_id);
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

/** Identifies a request; the same for parameters in the query, a form or JSON. */
function contentOf({ method, url, gauthifyParams }: RawRequest): string {
  const params = Object.entries(
    gauthifyParams instanceof ParameterError ? {} : (gauthifyParams ?? {}),
  )
    // The API key may be rotated between the request and its repetition.
    .filter(([name]) => name !== 'api_key')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([method, url?.split('?', 1)[0], params]);
}
