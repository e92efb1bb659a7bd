/** Name of the cookie where none is given: `__Host-` keeps other hosts and paths from setting it [RFC 6265bis §4.1.3.2]. */
const DEFAULT_NAME = '__Host-mfa_proof';

/** The cookie's name; `undefined` where proofs are not kept in one. */
export function cookieName(
  cookie: boolean | string | undefined,
): string | undefined {
  if (cookie === true) return DEFAULT_NAME;
  return cookie || undefined;
}

/** `Set-Cookie` of a proof. */
export function proofCookie(
  name: string,
  proof: string,
  ttlSeconds: number,
): string {
  return `${name}=${proof}; Max-Age=${ttlSeconds}; Path=/; HttpOnly; Secure; SameSite=Strict`;
}

/** More of one name are not read: each costs a signature. */
const MAX_VALUES = 4;

/**
 * Values of a cookie in a `Cookie` header. There may be several of a name:
 * another host of the site can set one that is sent first [RFC 6265bis §8.6],
 * which must not hide ours.
 */
export function readCookies(header: unknown, name: string): string[] {
  if (typeof header !== 'string') return [];
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .slice(0, MAX_VALUES)
    .map((pair) => pair.slice(name.length + 1));
}
