import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 401: no API key, or one that is unknown or revoked. */
export class ApiKeyError extends GAuthifyError {
  constructor(message: string, details?: GAuthifyErrorDetails) {
    super(message, 401, 'invalid_api_key', details);
  }
}
