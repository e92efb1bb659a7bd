import axios, {
  AxiosError,
  type AxiosAdapter,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios';
import type { Dispatcher } from 'undici';
import { type Request, UndiciRequest } from './undici-request.js';

/** By the abort signal of the request, which is all that passes through axios untouched. */
const requests = new WeakMap<object, Request[]>();

/**
 * The requests {@link undiciAdapter} made: several, where an interceptor repeats
 * what failed; `undefined` where it made none yet, or another adapter did.
 */
export const requestsOf = (
  signal: AbortSignal,
): readonly Request[] | undefined => requests.get(signal);

/**
 * Lets axios speak HTTP through undici, which costs half of what its own
 * adapter for Node does. As much of it as GAuthify's calls need: text in, text
 * out, no redirects.
 */
export function undiciAdapter(dispatcher: Dispatcher): AxiosAdapter {
  return async (config) => {
    const signal = config.signal as AbortSignal | undefined;
    if (signal?.aborted) throw failed(config, AxiosError.ERR_CANCELED);
    const url = new URL(axios.getUri(config));
    const request = new UndiciRequest(dispatcher, {
      origin: url.origin,
      path: url.pathname + url.search,
      method: (config.method ?? 'GET').toUpperCase(),
      headers: headersOf(config),
      body: config.data as string | undefined,
    });
    if (signal) requests.set(signal, [...(requestsOf(signal) ?? []), request]);
    const onAbort = () => request.abort();
    signal?.addEventListener('abort', onAbort);
    try {
      const { status, headers, text } = await request.answer;
      return {
        data: text,
        status,
        statusText: '',
        headers: headers as AxiosResponse['headers'],
        config,
      };
    } catch (error) {
      throw error instanceof AxiosError
        ? error
        : failed(config, (error as { code: string }).code, error);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  };
}

function failed(
  config: InternalAxiosRequestConfig,
  code: string,
  cause?: unknown,
): AxiosError {
  const error = new AxiosError('The request failed', code, config);
  error.cause = cause as Error;
  return error;
}

function headersOf({
  headers,
  auth,
}: InternalAxiosRequestConfig): Record<string, string> {
  const all = headers.toJSON() as Record<string, string>;
  if (auth)
    all['Authorization'] =
      `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
  return all;
}
