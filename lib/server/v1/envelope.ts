import { randomBytes } from 'node:crypto';
import {
  type ArgumentsHost,
  type CallHandler,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  HttpException,
  Inject,
  Injectable,
  Logger,
  type NestInterceptor,
  type StreamableFile,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { map, type Observable } from 'rxjs';
import type { ErrorCode } from '../../contract/error-codes.js';
import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { PagedList } from './paged-list.js';
import { rawResponse } from './raw-request.js';

const logger = new Logger('GAuthifyServer');

/** What every envelope carries. */
interface Stamp {
  /** 32 hex digits. */
  request_id: string;
  /** ISO 8601, UTC. */
  server_time: string;
}

interface SuccessEnvelope extends Stamp {
  data: unknown;
}

interface FailureEnvelope extends Stamp {
  error_message: string;
  error_code: string;
  http_status: number;
}

/** Wraps what a handler returns in the contract's envelope. */
@Injectable()
export class EnvelopeInterceptor implements NestInterceptor {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(CLOCK) private readonly now: Clock,
  ) {}

  intercept(
    context: ExecutionContext,
    next: CallHandler<unknown>,
  ): Observable<SuccessEnvelope | StreamableFile> {
    const response: object = context.switchToHttp().getResponse();
    // The answers hold secrets and usable codes.
    this.adapterHost.httpAdapter.setHeader(
      response,
      'Cache-Control',
      'no-store',
    );
    return next.handle().pipe(
      map((data) => {
        const rest = stamp(this.now());
        return data instanceof PagedList
          ? data.stream(rawResponse(context), rest, (error) =>
              logError(rest, error),
            )
          : { data, ...rest };
      }),
    );
  }
}

/** Answers every error of the API with the contract's envelope. */
@Catch()
export class EnvelopeFilter implements ExceptionFilter {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(CLOCK) private readonly now: Clock,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const body = failure(error, this.now());
    // `DeliveryService` logs a failed delivery itself: its error may hold the address.
    if (body.error_code === '500') logError(body, error);
    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    if (error instanceof RateLimitError && error.retryAfterSeconds)
      httpAdapter.setHeader(
        response,
        'Retry-After',
        String(error.retryAfterSeconds),
      );
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    httpAdapter.reply(response, body, body.http_status);
  }
}

/** The envelope of an error; one that is not ours reveals nothing of its cause. */
export function failure(error: unknown, timeMs: number): FailureEnvelope {
  const envelope = (
    error_message: string,
    error_code: ErrorCode,
    http_status: number,
  ) => ({ error_message, error_code, http_status, ...stamp(timeMs) });
  if (isGAuthifyError(error))
    return envelope(
      error.message,
      error.errorCode as ErrorCode,
      error.getStatus(),
    );
  const status = error instanceof HttpException ? error.getStatus() : 500;
  if (status === 404)
    return envelope('There is nothing at this path', 'path_not_found', 404);
  if (status < 500)
    return envelope('The request could not be read', 'invalid_body', 406);
  return envelope('The server failed', '500', 500);
}

function stamp(timeMs: number): Stamp {
  return {
    request_id: randomBytes(16).toString('hex'),
    server_time: new Date(timeMs).toISOString(),
  };
}

function logError({ request_id }: Stamp, error: unknown): void {
  const text = error instanceof Error ? error.stack : String(error);
  logger.error(`request_id ${request_id}: ${text}`);
}
