import { ApiKeyError } from '../../contract/errors/api-key.error.js';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import type {
  GAuthifyError,
  GAuthifyErrorDetails,
} from '../../contract/errors/gauthify.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import type { Answer } from './answer.js';
import { retryAfterSeconds } from './retry-after.js';

/** The error an answer of GAuthify stands for. */
export function errorOfAnswer(
  { status, headers }: Answer,
  body: Record<string, unknown>,
): GAuthifyError {
  const details: GAuthifyErrorDetails = {
    httpStatus: status,
    errorCode: codeOf(body),
    responseBody: body,
  };
  const sentence = body['error_message'];
  const message = (otherwise: string) =>
    typeof sentence === 'string' && sentence !== '' ? sentence : otherwise;
  switch (status) {
    case 401:
      return new ApiKeyError(message('GAuthify refused the API key.'), details);
    case 402:
      return new RateLimitError(message('GAuthify’s limit is reached.'), {
        ...details,
        retryAfterSeconds: retryAfterSeconds(headers['retry-after']),
      });
    case 404:
      return new NotFoundError(message('GAuthify does not know it.'), details);
    case 406:
      return new ParameterError(
        message('GAuthify refused a parameter.'),
        details,
      );
    case 409:
      return new ConflictError(message('The user exists already.'), details);
    default:
      return new ServerError(
        message('GAuthify gave an unexpected answer.'),
        details,
      );
  }
}

// Codes end up in logs: one that could forge a line of them is none.
function codeOf(body: Record<string, unknown>): string | undefined {
  const code = body['error_code'];
  if (typeof code === 'number') return String(code);
  return typeof code === 'string' && /^[\w.-]{1,64}$/.test(code)
    ? code
    : undefined;
}
