import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  Inject,
  Logger,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { failure } from './envelope.js';

/** Answers every error of the API with the contract's envelope. */
@Catch()
export class EnvelopeFilter implements ExceptionFilter {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(CLOCK) private readonly now: Clock,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const body = failure(error, this.now());
    // What a delivery failed of was logged where it is known what may be said.
    if (body.error_code === '500')
      this.logger.error(
        `request_id ${body.request_id}: ${error instanceof Error ? error.stack : String(error)}`,
      );
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
