import { HttpException } from '@nestjs/common';

/**
 * Brand that survives duplicate installs: `instanceof` does not, because each
 * copy of the package has a class of its own.
 */
const BRAND = Symbol.for('nestjs-gauthify.error');

/** What a {@link GAuthifyError} carries besides its message. */
export interface GAuthifyErrorDetails {
  /** Status GAuthify answered with. @default the status of the class */
  httpStatus?: number | undefined;
  /** Stable code of GAuthify, see `GAuthifyService.apiErrors()`. */
  errorCode?: string | undefined;
  /** What GAuthify answered, verbatim, where it answered at all. */
  responseBody?: unknown;
  /** What went wrong underneath: a network error, validation details. */
  cause?: unknown;
}

/**
 * Base of everything that goes wrong while talking to GAuthify.
 *
 * It is a Nest `HttpException`: left alone, Nest answers with
 * {@link HttpException.getStatus} and `{ statusCode, code, message }`, never
 * with {@link GAuthifyError.responseBody}.
 */
export abstract class GAuthifyError extends HttpException {
  /** Status GAuthify answered with; that of the class where it did not answer. */
  readonly httpStatus: number;

  /** Stable code, for programs. */
  override readonly errorCode: string;

  /**
   * What GAuthify answered, verbatim; `undefined` where it did not. Not
   * enumerable, so that loggers which print an error's fields leave it out.
   */
  declare readonly responseBody: unknown;

  protected constructor(
    message: string,
    status: number,
    defaultCode: string,
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
 * Whether `error` is a {@link GAuthifyError}, also one of another installed
 * copy of this package.
 */
export function isGAuthifyError(error: unknown): error is GAuthifyError {
  return (
    typeof error === 'object' &&
    error !== null &&
    (error as Record<symbol, unknown>)[BRAND] === true
  );
}
