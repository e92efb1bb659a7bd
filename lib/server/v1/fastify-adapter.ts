import type { FastifyAdapter } from '@nestjs/platform-fastify';

/** 255 UTF-16 code units, percent-encoded: the longest `unique_id` in a path. */
export const LONGEST_PARAM = 2295;

/** Time for a whole request to arrive, milliseconds, before its connection is closed (Node looks each {@link CHECK_INTERVAL_MS}). */
const REQUEST_TIMEOUT_MS = 10_000;

/** Node's own is 30 s, so that a half-sent request would hold its connection for up to 40 s. */
const CHECK_INTERVAL_MS = 1_000;

/** The HTTP adapter of the standalone server; Fastify is loaded only here. */
export async function createFastifyAdapter(): Promise<FastifyAdapter> {
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter({
    // Fastify's defaults are 100 characters, and no time-out.
    routerOptions: { maxParamLength: LONGEST_PARAM },
    requestTimeout: REQUEST_TIMEOUT_MS,
    // What still arrives over an open connection while the server shuts down is answered.
    return503OnClosing: false,
    // Node swaps the two if the time-out of the headers is the longer one.
    http: {
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      // Node answers a missing Host header with 400, which old clients take for success.
      requireHostHeader: false,
    },
  });
}
