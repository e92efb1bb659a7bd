import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
} from '@nestjs/common';
import { ApiKeyError } from '../../contract/errors/api-key.error.js';
import { noteRoute } from '../observability/route.js';
import {
  ApiKeysService,
  type KeyIdentity,
} from '../realms/api-keys.service.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import { RealmsService } from '../realms/realms.service.js';
import { IDEMPOTENCY_SCOPE } from '../store/idempotency-store.js';
import {
  queryOf,
  rawRequest,
  type RawRequest,
  rawResponse,
} from './raw-request.js';

/** Requires an API key, and notes its realm on the request. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly apiKeys: ApiKeysService,
    private readonly realms: RealmsService,
    @Inject(IDEMPOTENCY_SCOPE) private readonly scope: string,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = rawRequest(context);
    const response = rawResponse(context);
    noteRoute(request, context);
    // The answers hold secrets and usable codes.
    response.setHeader('Cache-Control', 'no-store');
    const key = apiKeyOf(request);
    const admit = (settings: RealmSettings) => {
      request.gauthifySettings = settings;
      // On every answer, so that a client knows the scope before it relies on it.
      response.setHeader('Idempotency-Scope', this.scope);
      return true;
    };
    const identified = (found: KeyIdentity | undefined) => {
      if (!found) throw new ApiKeyError(problemOf(request, key));
      request.gauthifyRealm = found.realm;
      request.gauthifyKeyId = found.id;
      const settings = this.realms.settingsOf(found.realm);
      return settings instanceof Promise
        ? settings.then(admit)
        : admit(settings);
    };
    const found = key === undefined ? undefined : this.apiKeys.identify(key);
    return found instanceof Promise
      ? found.then(identified)
      : identified(found);
  }
}

const ACCEPTED =
  'send the API key as the password of HTTP Basic with an empty user name (curl -u :KEY), alone in the header Authorization, or as the query parameter api_key';

/** What is wrong, for the caller to correct. Never repeats what they sent: it may be a key. */
function problemOf({ headers }: RawRequest, key: string | undefined): string {
  const header = headers.authorization?.trim() ?? '';
  if (/^Basic /i.test(header) && !key)
    return 'No API key was given: with HTTP Basic, leave the user name empty and give the key as the password (curl -u :KEY)';
  if (/^Bearer /i.test(header))
    return `The scheme Bearer is not accepted: ${ACCEPTED}`;
  if (/ /.test(header) && !/^Basic /i.test(header))
    return `The header Authorization holds more than the API key: ${ACCEPTED}`;
  if (key) return 'Unknown or revoked API key';
  return 'x-api-key' in headers
    ? `The header x-api-key is not read: ${ACCEPTED}`
    : `No API key was given: ${ACCEPTED}`;
}

/** The key in any of the ways the published clients send it [contract]. */
function apiKeyOf(request: RawRequest): string | undefined {
  const header = request.headers.authorization?.trim();
  if (header) {
    const basic = /^Basic +([A-Za-z0-9+/_=-]+)$/i.exec(header)?.[1];
    if (basic === undefined) return header;
    const credentials = Buffer.from(basic, 'base64').toString();
    return credentials.startsWith(':') ? credentials.slice(1) : undefined;
  }
  return new URLSearchParams(queryOf(request)).get('api_key') ?? undefined;
}
