import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 404: no such user, token or path. */
export class NotFoundError extends GAuthifyError {
  constructor(message: string, details?: GAuthifyErrorDetails) {
    super(message, 404, 'not_found', details);
  }
}
