import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import type { ParameterError } from '../../contract/errors/parameter.error.js';

/** Parameters of a request: flat, values as they arrived. */
export type RawParams = Record<string, unknown>;

/** Node's request, with what our middleware and guard note on it. */
export interface RawRequest extends IncomingMessage {
  /** The parameters in query and body, or why they could not be read. */
  gauthifyParams?: RawParams | ParameterError;
  gauthifyRealm?: string;
  /** Why the id in the path could not be decoded. */
  gauthifyIdProblem?: ParameterError;
}

/** Node's request, below that of Express or Fastify. */
export function rawRequest(context: ExecutionContext): RawRequest {
  const request = context
    .switchToHttp()
    .getRequest<RawRequest & { raw?: RawRequest }>();
  return request.raw ?? request;
}

/** Node's response, below that of Express or Fastify. */
export function rawResponse(context: ExecutionContext): ServerResponse {
  const response = context
    .switchToHttp()
    .getResponse<ServerResponse & { raw?: ServerResponse }>();
  return response.raw ?? response;
}

/** The query string of a request: all that follows the first `?`. */
export function queryOf({ url = '' }: IncomingMessage): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at + 1);
}
