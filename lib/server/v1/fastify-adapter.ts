import type { FastifyAdapter } from '@nestjs/platform-fastify';

/** 255 characters, percent-encoded: the longest `unique_id` in a path. */
export const LONGEST_PARAM = 2295;

/** A request is there within this time, milliseconds, or its connection is closed (Node looks each 30 s). */
const REQUEST_TIMEOUT_MS = 10_000;

/** The HTTP adapter of a server that stands alone; Fastify is loaded only here. */
export async function createFastifyAdapter(): Promise<FastifyAdapter> {
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter({
    // Fastify's own: 100 characters, and for ever.
    routerOptions: { maxParamLength: LONGEST_PARAM },
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node swaps the two where the headers have more time than the request.
    http: {
      headersTimeout: REQUEST_TIMEOUT_MS,
      // Node would answer a missing one with 400, which old clients take for success.
      requireHostHeader: false,
    },
  });
}
