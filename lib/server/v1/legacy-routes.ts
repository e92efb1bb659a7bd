import { BELOW_USER, encodeOnce } from './normalize-url.js';
import type { RawParams } from './raw-request.js';

/** A request as a client of version 1.2 means it, in today's terms. */
export interface Modernized {
  method: 'POST';
  /** Path and query. */
  url: string;
}

/** What may follow an id; ids may contain slashes, since old clients do not encode them. */
const GET_OF_USER =
  /^users\/(.+?)\/(?:(check)\/([^/]+)|(sms|voice|email)(?:\/([^/]+))?)\/?$/;

const GET_TOKEN = /^token\/([^/]+)\/?$/;

/** The parameters that addresses at the end of a path are. */
const ADDRESS = { sms: 'sms_number', voice: 'voice_number', email: 'email' };

/**
 * Reads a call of version 1.2, which changed things by GET. HEAD is none: a
 * program that only looks at a link must not use up a code.
 *
 * @param path below the prefix, without the query
 * @param query with its question mark; empty if there is none
 */
export function modernized(
  method: string,
  prefix: string,
  path: string,
  query: string,
): Modernized | undefined {
  const post = (call: string, params: Record<string, string | undefined>) => {
    const given = Object.entries(params)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encodeOnce(value!)}`);
    // What the query gives besides: `api_key`, for one.
    const rest = query.slice(1);
    const all = rest === '' ? given : [...given, rest];
    return {
      method: 'POST' as const,
      url: `${prefix}${call}?${all.join('&')}`,
    };
  };
  if (method === 'POST') {
    const unique_id = /^users\/(?!\/*$)(.+?)\/*$/.exec(path)?.[1];
    // Which would replace the user.
    const isCallOfToday =
      unique_id !== undefined && BELOW_USER.POST!.test(unique_id);
    return unique_id === undefined || isCallOfToday
      ? undefined
      : post('users', { unique_id });
  }
  if (method !== 'GET') return undefined;
  const token = GET_TOKEN.exec(path)?.[1];
  if (token !== undefined) return post('token', { token });
  const [, unique_id, check, auth_code, channel, address] =
    GET_OF_USER.exec(path) ?? [];
  if (check) return post('check', { unique_id, auth_code });
  if (!channel) return undefined;
  const name = ADDRESS[channel as keyof typeof ADDRESS];
  return post(channel, { unique_id, [name]: address });
}

/** `phone_number` was what `sms_number` is. */
export function withModernNames(params: RawParams): RawParams {
  const { phone_number, ...rest } = params;
  return phone_number === undefined || rest['sms_number'] !== undefined
    ? params
    : { ...rest, sms_number: phone_number };
}
