import {
  SetMetadata,
  applyDecorators,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiKeyGuard } from './api-key.guard.js';
import { EnvelopeFilter } from './envelope.filter.js';
import { EnvelopeInterceptor } from './envelope.interceptor.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';

/**
 * What `@SkipMfa()` says, in the words of its metadata: an `MfaGuard` of the
 * whole application must not ask for what is only checked here.
 */
export const NotForMfaGuard = (): ClassDecorator =>
  SetMetadata('gauthify:mfa-policy', { skip: true });

/** A controller of the v1 API: an API key to get in, the envelope on the way out. */
export const Api = (): ClassDecorator =>
  applyDecorators(
    NotForMfaGuard(),
    UseGuards(ApiKeyGuard),
    UseInterceptors(EnvelopeInterceptor, IdempotencyInterceptor),
    UseFilters(EnvelopeFilter),
  );
