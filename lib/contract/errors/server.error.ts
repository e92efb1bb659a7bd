import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 500 and the rest: GAuthify could not be reached, or failed. `cause` has the reason. */
export class ServerError extends GAuthifyError {
  constructor(message: string, details?: GAuthifyErrorDetails) {
    super(message, 500, '500', details);
  }
}
