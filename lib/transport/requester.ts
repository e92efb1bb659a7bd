import { HttpService } from '@nestjs/axios';
import { Inject, Injectable, Optional } from '@nestjs/common';
import type { AxiosInstance } from 'axios';
import { GAUTHIFY_MODULE_OPTIONS } from '../gauthify.module-definition.js';
import { Connections } from './connections.js';
import type { GAuthifyResolvedOptions } from './normalize-options.js';
import { requestsOf } from './undici-adapter.js';
import { type Request, UndiciRequest } from './undici-request.js';
import { VERSION } from './version.js';
import type { WireCall } from './wire-call.js';

/**
 * Makes HTTP requests: by the application's `HttpService`, or by ours; and
 * straight by its connections while nobody has touched it, for axios takes as
 * much time over a request as all else together.
 */
@Injectable()
export class Requester {
  private isTouched = false;
  private readonly authorization: string;

  constructor(
    private readonly http: HttpService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: GAuthifyResolvedOptions,
    /** None where the application's own `HttpModule` makes the connections. */
    @Optional() private readonly connections?: Connections,
  ) {
    this.authorization = `Basic ${Buffer.from(`:${options.apiKey}`).toString('base64')}`;
  }

  /** The axios instance; whoever asks for it may change it. */
  get axiosRef(): AxiosInstance {
    this.isTouched = true;
    return this.http.axiosRef;
  }

  send(
    accessPoint: string,
    { method, path, params, query }: WireCall,
    idempotencyKey: string | undefined,
  ): Request {
    const url = accessPoint + path + (query ? `?${query}` : '');
    const headers: Record<string, string> = {
      Accept: 'application/json',
      // Nothing here unpacks.
      'Accept-Encoding': 'identity',
      'User-Agent': `nestjs-gauthify/${VERSION}`,
    };
    if (params) headers['Content-Type'] = 'application/x-www-form-urlencoded';
    if (idempotencyKey) headers['Idempotency-Key'] = idempotencyKey;
    // In the body alone: a query ends up in access logs, with codes and tokens.
    const data = params && new URLSearchParams(params).toString();
    const request = { method, url, headers, data };
    return this.connections && !this.isTouched
      ? this.straight(this.connections, request)
      : this.byAxios(request);
  }

  private straight(
    { dispatcher }: Connections,
    { method, url, headers, data }: WireRequest,
  ): Request {
    headers['Authorization'] = this.authorization;
    // `https://host/` at least: the third slash ends the origin.
    const slash = url.indexOf('/', url.indexOf('//') + 2);
    return new UndiciRequest(dispatcher, {
      origin: url.slice(0, slash),
      path: url.slice(slash),
      method,
      headers,
      body: data,
    });
  }

  /** Spells out what an application may have changed in `axios.defaults`. */
  private byAxios({ method, url, headers, data }: WireRequest): Request {
    const controller = new AbortController();
    const { signal } = controller;
    const answer = this.http.axiosRef
      .request<string>({
        method,
        url,
        baseURL: '',
        auth: { username: '', password: this.options.apiKey },
        headers,
        data,
        transformRequest: (body: unknown) => body,
        transformResponse: (body: unknown) => body,
        responseType: 'text',
        validateStatus: () => true,
        // A redirect would carry the API key elsewhere.
        maxRedirects: 0,
        timeout: 0,
        signal,
        ...(this.connections && { adapter: this.connections.adapter }),
      })
      .then(({ status, headers, data }) => ({
        status,
        headers: headers ?? {},
        text: data,
      }));
    return {
      answer,
      abort: () => controller.abort(),
      isUnwritten: () =>
        requestsOf(signal)?.every((request) => request.isUnwritten()),
    };
  }
}

interface WireRequest {
  method: WireCall['method'];
  url: string;
  headers: Record<string, string>;
  data: string | undefined;
}
