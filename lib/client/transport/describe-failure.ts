import type { Failure } from './failure.js';

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'refused the connection: is the GAuthify server running there?',
  ECONNRESET: 'closed the connection before it had answered',
  // axios: the body broke off
  ERR_BAD_RESPONSE: 'closed the connection before it had answered',
  ENOTFOUND: 'has a host name that cannot be resolved',
  EAI_AGAIN: 'has a host name that cannot be resolved just now',
  ETIMEDOUT: 'could not be connected to in time',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a TLS certificate of its own making',
  CERT_HAS_EXPIRED: 'has a TLS certificate that has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a TLS certificate of another host',
};

// What comes before a connection, whatever made the request. Not ECONNRESET,
// EPIPE or EPROTO, which come before it as well as in its middle.
const BEFORE =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|CERT_.*|ERR_TLS_CERT_ALTNAME_INVALID)$/;

// What this process or machine lacks, or has closed itself.
const OURS =
  /^(EMFILE|ENFILE|ENOBUFS|ENOMEM|EADDRINUSE|EADDRNOTAVAIL|UND_ERR_(DESTROYED|CLOSED))$/;

/**
 * Why an access point gave no answer. Reads nothing of the error but code and name:
 * axios' errors carry the request, and with it the API key.
 *
 * @param isUnwritten whether nothing was written; `undefined`: not known
 */
export function describeFailure(
  error: unknown,
  isUnwritten: boolean | undefined,
): Failure {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  // No connection failed: an interceptor threw, before or after, which only it knows.
  if (typeof code !== 'string')
    return {
      kind: 'lost',
      reason: `could not be asked (${String(name)} in an interceptor?)`,
      isOurs: true,
    };
  const reason = REASONS[code] ?? `could not be asked (${code})`;
  if (OURS.test(code))
    return { kind: isUnwritten ? 'unsent' : 'lost', reason, isOurs: true };
  if (isUnwritten ?? BEFORE.test(code)) return { kind: 'unsent', reason };
  return reason === REASONS['ECONNRESET']
    ? { kind: 'lost', reason, isClosed: true }
    : { kind: 'lost', reason };
}
