import type { NoAnswer } from './retry-policy.js';

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'refused the connection: is the GAuthify server running there?',
  ECONNRESET: 'closed the connection before it had answered',
  ANSWER_TOO_LARGE: 'sent a larger answer than GAuthify does',
  // axios: the body broke off
  ERR_BAD_RESPONSE: 'closed the connection before it had answered',
  ENOTFOUND: 'has a host name that cannot be resolved',
  EAI_AGAIN: 'has a host name that cannot be resolved just now',
  ETIMEDOUT: 'could not be connected to in time',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a self-signed TLS certificate',
  CERT_HAS_EXPIRED: 'has a TLS certificate that has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a TLS certificate of another host',
};

// Happens before a connection exists, whatever library made the request. Not
// ECONNRESET, EPIPE or EPROTO, which also happen in the middle of one.
const BEFORE_CONNECTION =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|CERT_.*|ERR_TLS_CERT_ALTNAME_INVALID)$/;

// What this process or machine lacks, or has closed itself.
const HERE =
  /^(EMFILE|ENFILE|ENOBUFS|ENOMEM|EADDRINUSE|EADDRNOTAVAIL|UND_ERR_(DESTROYED|CLOSED))$/;

/**
 * What the failure of a request means. Reads only code and name of the error:
 * axios's errors carry the request, and with it the API key.
 *
 * @param isUnwritten whether nothing was written; `undefined`: not known
 */
export function failureOfError(
  error: unknown,
  isUnwritten: boolean | undefined,
): NoAnswer {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  // Not a connection's error: an interceptor threw, before or after the request.
  if (typeof code !== 'string')
    return {
      kind: 'indeterminate',
      reason: `could not be asked (${String(name)} in an interceptor?)`,
      isUnrelated: 'here',
    };
  const reason = REASONS[code] ?? `could not be asked (${code})`;
  const kind =
    (isUnwritten ?? BEFORE_CONNECTION.test(code)) ? 'notSent' : 'indeterminate';
  if (HERE.test(code)) return { kind, reason, isUnrelated: 'here' };
  return kind === 'indeterminate' && reason === REASONS['ECONNRESET']
    ? { kind, reason, isConnectionClosed: true }
    : { kind, reason };
}
