import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 409: a user with this `unique_id` exists already. */
export class ConflictError extends GAuthifyError {
  constructor(message: string, details?: GAuthifyErrorDetails) {
    super(message, 409, 'conflict', details);
  }
}
