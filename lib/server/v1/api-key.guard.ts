import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import { ApiKeyError } from '../../contract/errors/api-key.error.js';
import { ApiKeysService } from '../realms/api-keys.service.js';
import { queryOf, rawRequest, type RawRequest } from './raw-request.js';

/** Lets in who has an API key, and remembers its realm on the request. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(private readonly apiKeys: ApiKeysService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = rawRequest(context);
    const key = apiKeyOf(request);
    const realm = key && (await this.apiKeys.realmOf(key));
    if (!realm) throw new ApiKeyError(problemOf(request, key));
    request.gauthifyRealm = realm;
    return true;
  }
}

/** The realm of the API key the request came with. */
export const Realm = createParamDecorator(
  (_: unknown, context: ExecutionContext): string =>
    rawRequest(context).gauthifyRealm!,
);

function problemOf({ headers }: RawRequest, key: string | undefined): string {
  if (key) return 'Unknown or revoked API key';
  return /^\s*Basic /i.test(headers.authorization ?? '')
    ? 'No API key was given: with HTTP Basic it is the password, and the user name is empty (curl -u :KEY)'
    : 'No API key was given';
}

/** The ways the published clients present a key [contract]. */
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
