import { randomBytes } from 'node:crypto';
import { HttpException } from '@nestjs/common';
import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import type { ErrorCode } from '../../contract/error-codes.js';

/** What every answer carries. */
interface Stamp {
  /** 32 hex */
  request_id: string;
  /** ISO 8601, UTC */
  server_time: string;
}

export interface SuccessEnvelope extends Stamp {
  data: unknown;
}

export interface FailureEnvelope extends Stamp {
  error_message: string;
  error_code: string;
  http_status: number;
}

const OWN = {
  path: 'path_not_found',
  body: 'invalid_body',
  server: '500',
} as const satisfies Record<string, ErrorCode>;

/** A new request id, and the time. */
export const stamp = (timeMs: number): Stamp => ({
  request_id: randomBytes(16).toString('hex'),
  server_time: new Date(timeMs).toISOString(),
});

export function success(data: unknown, timeMs: number): SuccessEnvelope {
  return { data, ...stamp(timeMs) };
}

/** What a caller is told of an error: of one that is not ours, nothing. */
export function failure(error: unknown, timeMs: number): FailureEnvelope {
  const told = (message: string, code: string, status: number) => ({
    error_message: message,
    error_code: code,
    http_status: status,
    ...stamp(timeMs),
  });
  if (isGAuthifyError(error))
    return told(error.message, error.errorCode, error.getStatus());
  if (error instanceof HttpException && error.getStatus() === 404)
    return told('There is nothing at this path', OWN.path, 404);
  if (error instanceof HttpException && error.getStatus() < 500)
    return told('The request could not be read', OWN.body, 406);
  return told('The server failed', OWN.server, 500);
}
