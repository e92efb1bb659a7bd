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
