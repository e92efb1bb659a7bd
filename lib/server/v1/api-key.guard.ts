import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import { ApiKeyError } from '../../contract/errors/api-key.error.js';
import { ApiKeysService } from '../realms/api-keys.service.js';
import { queryOf, rawRequest, type RawRequest } from './raw-request.js';

/** Requires an API key, and notes its realm on the request. */
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

/** The realm of the API key that the request carries. */
export const Realm = createParamDecorator(
  (_: unknown, context: ExecutionContext): string =>
    rawRequest(context).gauthifyRealm!,
);

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
