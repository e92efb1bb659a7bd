import { withoutTrailingSlashes } from './url-path.js';

/** More than 255 UTF-16 code units, the longest `unique_id`. */
const LONGEST_ID = 512;

/**
 * What may follow an id in the path of a call that is not in the contract. The
 * published clients do not percent-encode ids, so an id that ends like this must be.
 */
export const BELOW_USER: Readonly<Record<string, RegExp>> = {
  GET: /\/factors$/,
  HEAD: /\/factors$/,
  POST: /\/(?:factors|recovery_codes|unlock)$/,
  PUT: /\/factors\/[^/]+$/,
  DELETE: /\/factors\/[^/]+$/,
};

/** Express ignores the case of a path: `/V1/Users/` must not get around what is done here for `/v1/users/`. */
export function inOurCase(url: string, prefix: string): string {
  const ours = [`${prefix}users/`, prefix].find(
    (start) => url.slice(0, start.length).toLowerCase() === start.toLowerCase(),
  );
  return ours === undefined ? url : ours + url.slice(ours.length);
}

/**
 * Removes the trailing slash, encodes an unencoded id, and escapes what a router refuses.
 *
 * @param prefix what the paths of the API start with
 * @returns the URL, and whether the id in it is not UTF-8
 */
export function normalizeUrl(
  url: string,
  method: string,
  prefix: string,
): { url: string; isIdUnreadable: boolean } {
  const [, whole = '', query = ''] = /^([^?]*)(\?.*)?$/s.exec(url)!;
  const path = withoutTrailingSlashes(whole);
  const users = `${prefix}users/`;
  if (!path.startsWith(users)) {
    const known = path.startsWith(prefix) ? path : whole;
    const routable =
      decode(known) === undefined ? known.replaceAll('%', '%25') : known;
    return { url: routable + query, isIdUnreadable: false };
  }
  const [raw, ...below] = splitUserPath(method, path.slice(users.length));
  return {
    url: `${users}${[raw, ...below].map(encodeOnce).join('/')}${query}`,
    isIdUnreadable: decode(raw) === undefined,
  };
}

/** `jane/factors/1` into the id and what follows it: `['jane', 'factors', '1']`. */
function splitUserPath(
  method: string,
  path: string,
): [id: string, ...below: string[]] {
  const start = BELOW_USER[method]?.exec(path)?.index ?? 0;
  return start === 0
    ? [path]
    : [path.slice(0, start), ...path.slice(start + 1).split('/')];
}

/** Percent-encodes a parameter that may be encoded already. */
export function encodeOnce(raw: string): string {
  // No parameter is longer, and routers are slow with a long one.
  const known = (decode(raw) ?? raw).slice(0, LONGEST_ID);
  return encodeURIComponent(known.toWellFormed());
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
