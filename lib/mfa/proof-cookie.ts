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

/** Value of a cookie in a `Cookie` header. */
export function readCookie(header: unknown, name: string): string | undefined {
  if (typeof header !== 'string') return undefined;
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (pair.slice(0, equals).trim() === name)
      return pair.slice(equals + 1).trim();
  }
  return undefined;
}
