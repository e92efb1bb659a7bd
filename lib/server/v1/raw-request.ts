import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import type { ParameterError } from '../../contract/errors/parameter.error.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import type { ObservedRequest } from '../observability/observed-request.js';

/** Parameters of a request: flat, values as they arrived. */
export type RawParams = Record<string, unknown>;

/** Node's request, with what our middleware and guard note on it. */
export interface RawRequest extends ObservedRequest {
  /** The parameters in query and body, or why they could not be read. */
  gauthifyParams?: RawParams | ParameterError;
  /** What applies to the realm. */
  gauthifySettings?: RealmSettings;
  /** Whether a body is ignored whatever the method: a GET that stands for a POST. */
  gauthifyHasNoBody?: boolean;
  /** Whether it is a call of version 1.2. */
  gauthifyIsLegacy?: boolean;
  /** Why the id in the path could not be decoded. */
  gauthifyIdProblem?: ParameterError;
  /** The `request_id` of its answer. */
  gauthifyRequestId?: string;
}

/** The `request_id` of a request's answer. */
export function requestIdOf(request: RawRequest): string {
  return (request.gauthifyRequestId ??= newRequestId());
}

/** 32 hex digits. */
export const newRequestId = () => randomUUID().replaceAll('-', '');

/** A request or response of Express, which is Node's, or of Fastify, which holds Node's. */
export type WithRaw<T> = T & { raw?: T };

/** Node's request or response, below that of Express or Fastify. */
export function rawOf<T>(one: WithRaw<T>): T {
  return one.raw ?? one;
}

/** Node's request. */
export function rawRequest(context: ExecutionContext): RawRequest {
  return rawOf(context.switchToHttp().getRequest<WithRaw<RawRequest>>());
}

/** Node's response. */
export function rawResponse(context: ExecutionContext): ServerResponse {
  return rawOf(context.switchToHttp().getResponse<WithRaw<ServerResponse>>());
}

/** The query string of a request: all that follows the first `?`. */
export function queryOf({ url = '' }: IncomingMessage): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at + 1);
}
