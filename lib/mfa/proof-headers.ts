import type { HttpServer } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import type { MfaProofOptions } from './mfa.options.js';

/** Default name of the cookie: `__Host-` keeps other hosts and paths from setting it [RFC 6265bis §4.1.3.2]. */
const DEFAULT_COOKIE = '__Host-mfa_proof';
/** No more proofs in cookies are read: the signature of each is verified. */
const MAX_COOKIES = 4;
/** A signed JWT: three parts, base64url [RFC 7519 §3]. Nothing else is a proof. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whether scripts can read proofs: they travel in the header `x-mfa-proof`. */
export function usesHeader({ header, cookie }: MfaProofOptions): boolean {
  return header ?? !cookie;
}

/** The cookie's name; `undefined` where proofs travel in none. */
function cookieName({ cookie }: MfaProofOptions): string | undefined {
  return cookie === true ? DEFAULT_COOKIE : cookie || undefined;
}

/** The proofs in the headers of a request: the one in `x-mfa-proof`, then those in cookies. */
export function readProofs(
  headers: Record<string, unknown>,
  options: MfaProofOptions,
): string[] {
  const proofs: string[] = [];
  const header = usesHeader(options) && headers['x-mfa-proof'];
  if (typeof header === 'string') proofs.push(header);
  const name = cookieName(options);
  // There may be several of the name: another host of the site can set one that
  // is sent first [RFC 6265bis §8.6], which must not hide ours.
  if (name && typeof headers.cookie === 'string')
    proofs.push(
      ...headers.cookie
        .split(';')
        .map((pair) => pair.trim())
        .filter((pair) => pair.startsWith(`${name}=`))
        .map((pair) => pair.slice(name.length + 1))
        .filter((value) => JWT.test(value))
        .slice(0, MAX_COOKIES),
    );
  return proofs;
}

/** Sets a proof on the response: in the header, in a cookie, or both. No cache may store the response. */
export function writeProof(
  adapter: HttpServer,
  response: object,
  proof: string,
  options: MfaProofOptions,
  ttlSeconds: number,
): void {
  forbidCaching(response);
  if (usesHeader(options)) adapter.setHeader(response, 'x-mfa-proof', proof);
  const name = cookieName(options);
  if (!name) return;
  const cookie = `${name}=${proof}; Max-Age=${ttlSeconds}; Path=/; HttpOnly; Secure; SameSite=Strict`;
  // Express' setHeader would replace the application's own cookies; Fastify's appends.
  const { append } = response as { append?: unknown };
  if (typeof append === 'function') append.call(response, 'Set-Cookie', cookie);
  else adapter.setHeader(response, 'Set-Cookie', cookie);
}

type WriteHead = (this: ServerResponse, ...args: unknown[]) => ServerResponse;

/**
 * Sends `Cache-Control: no-store`, whatever a handler, an interceptor or Nest's
 * `@Header` sets later: a cache would hand the proof to others.
 *
 * @param response the one of Express or Fastify
 */
function forbidCaching(response: object): void {
  const raw = ((response as { raw?: object }).raw ?? response) as {
    writeHead?: WriteHead;
  };
  const { writeHead } = raw;
  if (typeof writeHead !== 'function') return;
  raw.writeHead = function (
    this: ServerResponse,
    ...args: unknown[]
  ): ServerResponse {
    // Headers passed here, as Fastify does, take precedence over those set before.
    const given = args.at(-1);
    if (typeof given === 'object' && given !== null && !Array.isArray(given))
      args[args.length - 1] = Object.fromEntries(
        Object.entries(given).filter(
          ([name]) => name.toLowerCase() !== 'cache-control',
        ),
      );
    this.setHeader('Cache-Control', 'no-store');
    return writeHead.apply(this, args);
  };
}
