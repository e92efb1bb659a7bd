import { HttpException } from '@nestjs/common';
import type { GAuthifyErrorCode } from '../error-codes.js';

/**
 * Brand that survives duplicate installs: `instanceof` does not, because each
 * copy of the package has a class of its own.
 */
const BRAND = Symbol.for('nestjs-gauthify.error');

/** What a {@link GAuthifyError} carries besides its message. */
export interface GAuthifyErrorDetails {
  /** Status GAuthify answered with. @default the status of the class */
  httpStatus?: number | undefined;
  /** Stable code. @default the code of the class */
  errorCode?: GAuthifyErrorCode | (string & {}) | undefined;
  /** What GAuthify answered, verbatim; `undefined` without an answer. */
  responseBody?: unknown;
  /** The error that caused this one: a network error, validation details. */
  cause?: unknown;
}

/**
 * Base of every error of a GAuthify call.
 *
 * It is a Nest `HttpException`: if nothing catches it, Nest answers with
 * {@link HttpException.getStatus} and `{ statusCode, code, message }`, never
 * with {@link GAuthifyError.responseBody}.
 */
export abstract class GAuthifyError extends HttpException {
  /** Status GAuthify answered with; without an answer, that of the class. */
  readonly httpStatus: number;

  /** Stable code, for programs: one of {@link GAuthifyErrorCode}, or a code of another GAuthify server. */
  override readonly errorCode: GAuthifyErrorCode | (string & {});

  /**
   * What GAuthify answered, verbatim; `undefined` without an answer. Not
   * enumerable, so that loggers which print an error's fields leave it out.
   */
  declare readonly responseBody: unknown;

  protected constructor(
    message: string,
    status: number,
    defaultCode: GAuthifyErrorCode,
    details: GAuthifyErrorDetails = {},
  ) {
    const code = details.errorCode ?? defaultCode;
    super({ statusCode: status, code, message }, status, {
      cause: details.cause,
    });
    this.message = message;
    this.name = new.target.name;
    this.httpStatus = details.httpStatus ?? status;
    this.errorCode = code;
    Object.defineProperty(this, 'responseBody', {
      value: details.responseBody,
    });
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/**
 * Whether `error` is a {@link GAuthifyError}, also if another installed copy of
 * this package made it.
 */
export function isGAuthifyError(error: unknown): error is GAuthifyError {
  return (
    typeof error === 'object' &&
    error !== null &&
    (error as Record<symbol, unknown>)[BRAND] === true
  );
}
