import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 409: a user with this `unique_id` exists, or the user is not in the state the call needs. */
export class ConflictError extends GAuthifyError {
  constructor(message: string, details?: GAuthifyErrorDetails) {
    super(message, 409, 'conflict', details);
  }
}
