import { type Agent, globalAgent as httpGlobalAgent } from 'node:http';
import { globalAgent as httpsGlobalAgent } from 'node:https';
import { HttpService } from '@nestjs/axios';
import { Inject, Injectable, Optional } from '@nestjs/common';
import axios, {
  AxiosError,
  type AxiosAdapter,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios';
import {
  GAUTHIFY_MODULE_OPTIONS,
  type ResolvedClientOptions,
} from '../client.options.js';
import {
  type HttpClient,
  type HttpRequest,
  type PendingRequest,
  TOO_LARGE,
} from './http-client.js';
import { UndiciClient } from './undici-client.js';

/**
 * Makes requests with axios: with the application's own `HttpModule`, or, as
 * soon as there are interceptors on `axiosRef`, with ours. Without either it
 * bypasses axios, which takes as long over a request as everything else together.
 */
@Injectable()
export class AxiosClient implements HttpClient {
  constructor(
    private readonly http: HttpService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: ResolvedClientOptions,
    /** None if the application's own `HttpModule` makes the connections. */
    @Optional() private readonly undici?: UndiciClient,
  ) {}

  send(request: HttpRequest): PendingRequest {
    return this.undici && !hasInterceptors(this.http.axiosRef)
      ? this.undici.send(request)
      : this.sendWithAxios(request);
  }

  /** The agents of an application's own `HttpModule` have limits of their own. */
  mayWaitForConnection(): boolean {
    if (this.undici) return false;
    const { defaults } = this.http.axiosRef;
    const agents = [
      (defaults.httpAgent as Agent | undefined) ?? httpGlobalAgent,
      (defaults.httpsAgent as Agent | undefined) ?? httpsGlobalAgent,
    ];
    return (
      typeof defaults.adapter === 'function' ||
      agents.some(
        ({ maxSockets, maxTotalSockets }) =>
          maxSockets !== Infinity || maxTotalSockets !== Infinity,
      )
    );
  }

  /** Sets every option that an application may have changed in `axios.defaults`. */
  private sendWithAxios(request: HttpRequest): PendingRequest {
    const { method, url, headers, body } = request;
    const controller = new AbortController();
    // Several, if an interceptor repeats what failed.
    const sent: PendingRequest[] = [];
    const answer = this.http.axiosRef
      .request<string>({
        method,
        url,
        baseURL: '',
        auth: { username: '', password: this.options.apiKey },
        headers,
        data: body,
        transformRequest: (data: unknown) => data,
        transformResponse: (data: unknown) => data,
        responseType: 'text',
        validateStatus: () => true,
        // A redirect would carry the API key elsewhere.
        maxRedirects: 0,
        maxContentLength: request.maxAnswerBytes,
        timeout: 0,
        signal: controller.signal,
        ...(this.undici && {
          adapter: undiciAdapter(this.undici, request, sent),
        }),
      })
      .then(
        ({ status, headers, data }) => ({
          status,
          headers: headers ?? {},
          text: data,
        }),
        (error: unknown) => {
          throw isTooLarge(error) ? failed(undefined, TOO_LARGE) : error;
        },
      );
    return {
      answer,
      abort: () => controller.abort(),
      isUnwritten: () =>
        sent.length > 0
          ? sent.every((pending) => pending.isUnwritten())
          : undefined,
    };
  }
}

/** axios's own adapter has no code for it but that of a body that broke off. */
const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('maxContentLength');

function hasInterceptors({ interceptors }: AxiosInstance): boolean {
  const { request, response } = interceptors;
  // axios leaves `null` in the place of an ejected interceptor.
  return [request, response].some(({ handlers }) =>
    handlers?.some((handler: unknown) => handler !== null),
  );
}

/**
 * Lets axios speak HTTP through undici, at half the cost of its own adapter for
 * Node. It supports what GAuthify's calls need: text in, text out, no redirects.
 *
 * @param sent receives every request that the adapter makes
 */
function undiciAdapter(
  undici: UndiciClient,
  { isApart, maxAnswerBytes }: HttpRequest,
  sent: PendingRequest[],
): AxiosAdapter {
  return async (config) => {
    const signal = config.signal as AbortSignal | undefined;
    if (signal?.aborted) throw failed(config, AxiosError.ERR_CANCELED);
    // Interceptors may have changed the URL.
    const { origin, pathname, search } = new URL(axios.getUri(config));
    // Not `send`: an interceptor may have taken the authorization away.
    const request = undici.dispatch({
      url: origin + pathname + search,
      method: (config.method ?? 'GET').toUpperCase() as HttpRequest['method'],
      headers: headersOf(config),
      body: config.data as string | undefined,
      isApart,
      maxAnswerBytes,
    });
    sent.push(request);
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
      throw failed(config, (error as { code: string }).code, error);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  };
}

function failed(
  config: InternalAxiosRequestConfig | undefined,
  code: string,
  cause?: unknown,
): AxiosError {
  const error = new AxiosError('The request failed', code, config);
  return Object.assign(error, { cause: cause as Error });
}

function headersOf(config: InternalAxiosRequestConfig): Record<string, string> {
  const all = config.headers.toJSON() as Record<string, string>;
  const { username, password } = config.auth ?? {};
  if (config.auth)
    all['Authorization'] =
      `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  return all;
}
