import axios, {
  AxiosError,
  type AxiosAdapter,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios';
import type { Dispatcher } from 'undici';

const taken = new WeakSet<object>();
const written = new WeakSet<object>();

/**
 * Whether the request of an abort signal is certain not to have left this
 * process; `undefined` where another adapter made it, which does not tell.
 */
export function isUnwritten(signal: AbortSignal): boolean | undefined {
  return taken.has(signal) ? !written.has(signal) : undefined;
}

/**
 * Lets axios speak HTTP through undici, which costs half of what its own
 * adapter for Node does. As much of it as GAuthify's calls need: text in, text
 * out, no redirects.
 */
export function undiciAdapter(dispatcher: Dispatcher): AxiosAdapter {
  return (config) =>
    new Promise<AxiosResponse<string>>((resolve, reject) => {
      const signal = config.signal as AbortSignal | undefined;
      const fail = (code: string, cause?: unknown) => {
        const error = new AxiosError('The request failed', code, config);
        error.cause = cause as Error;
        reject(error);
      };
      if (signal) taken.add(signal);
      if (signal?.aborted) return fail(AxiosError.ERR_CANCELED);
      let abort: ((reason: Error) => void) | undefined;
      let isOver = false;
      const end = () => {
        isOver = true;
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        end();
        abort?.(new Error('aborted'));
        fail(AxiosError.ERR_CANCELED);
      };
      signal?.addEventListener('abort', onAbort);

      const url = new URL(axios.getUri(config));
      let status = 0;
      let headers: AxiosResponse['headers'] = {};
      const chunks: Buffer[] = [];
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: (config.method ?? 'GET').toUpperCase(),
          headers: headersOf(config),
          body: config.data as string | undefined,
        },
        {
          // Called on an open connection (TLS included), before the first byte.
          onRequestStart: (controller) => {
            if (isOver) return controller.abort(new Error('aborted'));
            if (signal) written.add(signal);
            abort = (reason) => controller.abort(reason);
          },
          onResponseStart: (_, statusCode, received) => {
            status = statusCode;
            headers = received;
          },
          onResponseData: (_, chunk) => void chunks.push(chunk),
          onResponseEnd: () => {
            end();
            const response: AxiosResponse<string> = {
              data: Buffer.concat(chunks).toString('utf8'),
              status,
              statusText: '',
              headers,
              config,
            };
            if (config.validateStatus?.(status) ?? true) resolve(response);
            else fail(AxiosError.ERR_BAD_RESPONSE);
          },
          onResponseError: (_, error) => {
            if (isOver) return;
            end();
            fail(codeOf(error), error);
          },
        },
      );
    });
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

/** undici's names of what has a name of its own in Node. */
const CODES: Record<string, string> = {
  UND_ERR_SOCKET: 'ECONNRESET',
  UND_ERR_CONNECT_TIMEOUT: 'ETIMEDOUT',
};

function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown[] };
  // A name with two addresses, both refused.
  if (typeof code !== 'string' && errors?.length) return codeOf(errors[0]);
  const text = typeof code === 'string' ? code : AxiosError.ERR_NETWORK;
  return CODES[text] ?? text;
}
