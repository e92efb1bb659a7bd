import { type Agent, globalAgent as httpGlobalAgent } from 'node:http';
import { globalAgent as httpsGlobalAgent } from 'node:https';
import { HttpService } from '@nestjs/axios';
import { Inject, Injectable, Optional } from '@nestjs/common';
import type { AxiosInstance } from 'axios';
import { Connections, type Line } from './connections.js';
import {
  GAUTHIFY_MODULE_OPTIONS,
  type ResolvedClientOptions,
} from '../client.options.js';
import { formOf } from './to-params.js';
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
    private readonly options: ResolvedClientOptions,
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
    { method, path, params, query, isApart }: WireCall,
    idempotencyKey: string | undefined,
  ): Request {
    const url = accessPoint + path + (query ? `?${query}` : '');
    const headers: Record<string, string> = {
      Accept: 'application/json',
      // Nothing here unpacks.
      'Accept-Encoding': 'identity',
      'User-Agent': `nestjs-gauthify/${VERSION}`,
    };
    // In the body alone: a query ends up in access logs, with codes and tokens.
    const [type, data] = params ? bodyOf(method, params) : [];
    if (type) headers['Content-Type'] = type;
    if (idempotencyKey) headers['Idempotency-Key'] = idempotencyKey;
    const request = { method, url, headers, data };
    const line = this.connections?.[isApart ? 'apart' : 'pool'];
    return line && !this.isTouched
      ? this.straight(line, request)
      : this.byAxios(request, line);
  }

  /**
   * Whether also a request made apart may wait for a connection: the agents of
   * an application's own `HttpModule` have limits of their own.
   */
  mayWaitForConnection(): boolean {
    if (this.connections) return false;
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

  private straight(
    { dispatcher }: Line,
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
  private byAxios(
    { method, url, headers, data }: WireRequest,
    line: Line | undefined,
  ): Request {
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
        ...(line && { adapter: line.adapter }),
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

/**
 * Media type and text of a body. A form, which every GAuthify server reads; but
 * in the form of an update an empty value leaves things as they are, because old
 * clients send what they do not set as empty: JSON `null` clears.
 */
function bodyOf(
  method: WireCall['method'],
  params: Record<string, string | null>,
): [type: string, text: string] {
  return method === 'PUT' && Object.values(params).includes(null)
    ? ['application/json', JSON.stringify(params)]
    : ['application/x-www-form-urlencoded', formOf(params)];
}

interface WireRequest {
  method: WireCall['method'];
  url: string;
  headers: Record<string, string>;
  data: string | undefined;
}
