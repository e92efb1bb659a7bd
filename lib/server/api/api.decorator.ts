import {
  applyDecorators,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiKeyGuard } from './api-key.guard.js';
import { EnvelopeFilter } from './envelope.filter.js';
import { EnvelopeInterceptor } from './envelope.interceptor.js';
import { IdempotencyInterceptor } from '../idempotency/idempotency.interceptor.js';

/** A controller of the v1 API: an API key to get in, the envelope on the way out. */
export const Api = (): ClassDecorator =>
  applyDecorators(
    UseGuards(ApiKeyGuard),
    UseInterceptors(EnvelopeInterceptor, IdempotencyInterceptor),
    UseFilters(EnvelopeFilter),
  );
