import type { HttpServer } from '@nestjs/common';
import type { MfaProofOptions } from './mfa.options.js';
import { neverStore } from './no-store.js';
import { cookieName, proofCookie } from './proof-cookie.js';

/** Whether proofs are handed over, and taken, where scripts can read them. */
export function usesHeader({ header, cookie }: MfaProofOptions): boolean {
  return header ?? !cookie;
}

/** Puts a proof on the response: in the header, in a cookie, or both, and in no cache. */
export function handOverProof(
  adapter: HttpServer,
  response: object,
  proof: string,
  options: MfaProofOptions,
  ttlSeconds: number,
): void {
  neverStore(response);
  if (usesHeader(options)) adapter.setHeader(response, 'x-mfa-proof', proof);
  const name = cookieName(options.cookie);
  if (!name) return;
  const cookie = proofCookie(name, proof, ttlSeconds);
  // Express would replace the application's own cookies; Fastify appends.
  const { append } = response as { append?: unknown };
  if (typeof append === 'function') append.call(response, 'Set-Cookie', cookie);
  else adapter.setHeader(response, 'Set-Cookie', cookie);
}
