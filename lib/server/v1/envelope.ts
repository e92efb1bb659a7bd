import type { ServerResponse } from 'node:http';
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Inject,
  Logger,
  type StreamableFile,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ErrorCode } from '../../contract/error-codes.js';
import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { noteAnswer } from '../observability/observed-request.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import type { PagedList } from './paged-list.js';
import {
  newRequestId,
  rawOf,
  type RawRequest,
  requestIdOf,
  type WithRaw,
} from './raw-request.js';

const logger = new Logger('GAuthifyServer');

/** What every envelope carries. */
interface Stamp {
  /** 32 hex digits. */
  request_id: string;
  /** ISO 8601, UTC. */
  server_time: string;
}

export interface SuccessEnvelope extends Stamp {
  data: unknown;
}

interface FailureEnvelope extends Stamp {
  error_message: string;
  error_code: string;
  http_status: number;
}

/** Wraps what a call answers in the contract's envelope. */
export function success(
  data: unknown,
  timeMs: number,
  requestId: string,
): SuccessEnvelope {
  return { data, ...stamp(timeMs, requestId) };
}

/** A list in the contract's envelope, written page by page. */
export function streamed(
  list: PagedList,
  response: ServerResponse,
  timeMs: number,
  requestId: string,
): StreamableFile {
  const rest = stamp(timeMs, requestId);
  noteAnswer(response, rest);
  return list.stream(response, rest, (error) => logError(rest, error));
}

/** Answers every error of the API with the contract's envelope. */
@Catch()
export class EnvelopeFilter implements ExceptionFilter {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(CLOCK) private readonly now: Clock,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<WithRaw<RawRequest>>();
    const body = failure(error, this.now(), requestIdOf(rawOf(request)));
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
export function failure(
  error: unknown,
  timeMs: number,
  requestId = newRequestId(),
): FailureEnvelope {
  const envelope = (
    error_message: string,
    error_code: ErrorCode,
    http_status: number,
  ) => ({
    error_message,
    error_code,
    http_status,
    ...stamp(timeMs, requestId),
  });
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

function stamp(timeMs: number, request_id: string): Stamp {
  return { request_id, server_time: new Date(timeMs).toISOString() };
}

function logError({ request_id }: Stamp, error: unknown): void {
  const text = error instanceof Error ? error.stack : String(error);
  const cause = error instanceof Error && error.cause;
  const reason = cause instanceof Error ? `\nCaused by: ${cause.message}` : '';
  logger.error(`request_id ${request_id}: ${text}${reason}`);
}
