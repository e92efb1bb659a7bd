import { ApiKeyError } from './api-key.error.js';
import { ServerError } from './server.error.js';

/**
 * Whether GAuthify, and not what a person sent, is why there is no answer: what
 * safe mode opens for. All else the person can bring about at will.
 */
export function isVerifierFailure(
  error: unknown,
): error is ServerError | ApiKeyError {
  if (error instanceof ApiKeyError) return true;
  // 400 is GAuthify's word on this very request, so the person may be its cause.
  return error instanceof ServerError && error.httpStatus !== 400;
}
