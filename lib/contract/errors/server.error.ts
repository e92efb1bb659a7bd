import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 500 and every other status: GAuthify failed, or could not be reached (`unreachable`; `cause` has the reasons). */
export class ServerError extends GAuthifyError {
  constructor(message: string, details?: GAuthifyErrorDetails) {
    super(message, 500, '500', details);
  }
}
