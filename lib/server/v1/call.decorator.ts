import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import {
  IdempotencyStore,
  type KeyedRequest,
} from '../store/idempotency-store.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import type { Origin } from '../audit/audit-event.js';
import { rawRequest, type RawRequest, requestIdOf } from './raw-request.js';

/** What a handler needs to know of a request, apart from its parameters. */
export interface Call {
  /** The realm of the API key. */
  realm: string;
  /** What applies to the realm. */
  settings: RealmSettings;
  /** Whether it is a call of version 1.2. */
  isLegacy: boolean;
  /** Who makes the call. */
  origin: Origin & { requestId: string };
  /** If the request carries an `Idempotency-Key`. */
  keyed: KeyedRequest | undefined;
}

/** The {@link Call} of a request. @throws ParameterError if its `Idempotency-Key` is malformed */
export const CurrentCall = createParamDecorator(
  (_: unknown, context: ExecutionContext): Call => {
    const request = rawRequest(context);
    const realm = request.gauthifyRealm!;
    const key = keyOf(request);
    return {
      realm,
      settings: request.gauthifySettings!,
      isLegacy: request.gauthifyIsLegacy === true,
      origin: {
        actor: `api:${request.gauthifyKeyId}`,
        source: request.socket.remoteAddress ?? null,
        requestId: requestIdOf(request),
      },
      keyed:
        key === undefined
          ? undefined
          : {
              id: IdempotencyStore.idOf(realm, key),
              realm,
              content: contentOf(request),
            },
    };
  },
);

function keyOf(request: RawRequest): string | undefined {
  const { method, headers, gauthifyIsLegacy } = request;
  const key = headers['idempotency-key'];
  if (key === undefined || method === 'GET' || method === 'HEAD')
    return undefined;
  // Version 1.2 has none, and its answers are not kept.
  if (gauthifyIsLegacy) return undefined;
  if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key))
    throw new ParameterError(
      'The header Idempotency-Key must be 1 to 255 printable ASCII characters',
    );
  return key;
}

/** Identifies a request; the same for parameters in the query, a form or JSON. */
function contentOf({ method, url, gauthifyParams }: RawRequest): string {
  const params = Object.entries(
    gauthifyParams instanceof ParameterError ? {} : (gauthifyParams ?? {}),
  )
    // The API key may be rotated between the request and its repetition.
    .filter(([name]) => name !== 'api_key')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([method, url?.split('?', 1)[0], params]);
}
