import type { ServerResponse } from 'node:http';

type WriteHead = (this: ServerResponse, ...args: unknown[]) => ServerResponse;

/**
 * Makes `Cache-Control: no-store` the last word on a response: a handler, an
 * interceptor or Nest's `@Header` may allow caches to keep it, which would hand
 * the proof in it to others.
 *
 * @param response Express' or Fastify's
 */
export function neverStore(response: object): void {
  const raw = ((response as { raw?: object }).raw ?? response) as {
    writeHead?: WriteHead;
  };
  const { writeHead } = raw;
  if (typeof writeHead !== 'function') return;
  raw.writeHead = function (
    this: ServerResponse,
    ...args: unknown[]
  ): ServerResponse {
    // Headers given here, as Fastify does, go before those that were set.
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
