import { GAuthifyError, type GAuthifyErrorDetails } from './gauthify.error.js';

/** 406: a parameter is missing or badly formed; the message names it and says why. */
export class ParameterError extends GAuthifyError {
  constructor(message: string, details?: GAuthifyErrorDetails) {
    super(message, 406, 'invalid_parameter', details);
  }
}
