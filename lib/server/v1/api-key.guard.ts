import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
} from '@nestjs/common';
import { ApiKeyError } from '../../contract/errors/api-key.error.js';
import { ApiKeysService } from '../realms/api-keys.service.js';
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
    @Inject(IDEMPOTENCY_SCOPE) private readonly scope: string,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = rawRequest(context);
    const response = rawResponse(context);
    // The answers hold secrets and usable codes.
    response.setHeader('Cache-Control', 'no-store');
    const key = apiKeyOf(request);
    const admit = (realm: string | undefined) => {
      if (!realm) throw new ApiKeyError(problemOf(request, key));
      request.gauthifyRealm = realm;
      // On every answer, so that a client knows the scope before it relies on it.
      response.setHeader('Idempotency-Scope', this.scope);
      return true;
    };
    const realm = key === undefined ? undefined : this.apiKeys.realmOf(key);
    return realm instanceof Promise ? realm.then(admit) : admit(realm);
  }
}

function problemOf({ headers }: RawRequest, key: string | undefined): string {
  if (key) return 'Unknown or revoked API key';
  return /^\s*Basic /i.test(headers.authorization ?? '')
    ? 'No API key was given: with HTTP Basic, leave the user name empty and give the key as the password (curl -u :KEY)'
    : 'No API key was given';
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
