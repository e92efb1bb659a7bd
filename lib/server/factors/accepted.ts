import type { AuthMethod } from '../../contract/dto/check-result.dto.js';

/** A code that was right, and is now used up. */
export interface Accepted {
  method: AuthMethod;
  /** The user's epoch at that moment. */
  epoch: string;
}
