import { ApiKeyError } from '../contract/errors/api-key.error.js';
import { isGAuthifyError } from '../contract/errors/gauthify.error.js';

/**
 * Why codes cannot be checked, for the log. Takes no sentence GAuthify or a
 * library wrote, which may quote what was sent: a key or a code.
 */
export function describeOutage(error: unknown): string {
  if (error instanceof ApiKeyError)
    return 'GAuthify refuses the API key; check the option apiKey.';
  if (isGAuthifyError(error))
    return error.cause instanceof AggregateError
      ? // Written by our transport: access points and what happened at them.
        `GAuthify cannot be asked. ${error.cause.message}`
      : `GAuthify answered ${error.httpStatus} (${error.errorCode}).`;
  return `the check failed with ${error instanceof Error ? error.name : typeof error}.`;
}
