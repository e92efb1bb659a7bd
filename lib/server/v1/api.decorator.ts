import {
  SetMetadata,
  applyDecorators,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { MFA_POLICY_KEY } from '../../contract/mfa-policy-key.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { EnvelopeFilter } from './envelope.js';

/** Exempts a controller from an `MfaGuard` of the whole application, as `@SkipMfa()` does. */
export const NotForMfaGuard = (): ClassDecorator =>
  SetMetadata(MFA_POLICY_KEY, { skip: true });

/** A controller of the v1 API: requires an API key, and answers errors with the envelope. */
export const Api = (): ClassDecorator =>
  applyDecorators(
    NotForMfaGuard(),
    UseGuards(ApiKeyGuard),
    UseFilters(EnvelopeFilter),
  );
