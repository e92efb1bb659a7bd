import { TimeoutError } from 'rxjs';

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'refused the connection: is the GAuthify server running there?',
  ECONNRESET: 'closed the connection before it had answered',
  // axios: the body broke off
  ERR_BAD_RESPONSE: 'closed the connection before it had answered',
  ENOTFOUND: 'has a host name that cannot be resolved',
  EAI_AGAIN: 'has a host name that cannot be resolved just now',
};

/**
 * Why an access point gave no answer, in words. Reads nothing of the error but
 * its code: axios' errors carry the request, and with it the API key.
 */
export function describeFailure(error: unknown, timeoutMs: number): string {
  if (error instanceof TimeoutError)
    return `did not answer within ${timeoutMs} ms (timeoutMs)`;
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return 'could not be asked';
  return REASONS[code] ?? `could not be asked (${code})`;
}
