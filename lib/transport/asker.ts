import { HttpService } from '@nestjs/axios';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import type { AxiosRequestConfig, AxiosResponse } from 'axios';
import { GAUTHIFY_MODULE_OPTIONS } from '../gauthify.module-definition.js';
import type { AccessPoint } from './access-points.js';
import { Connections } from './connections.js';
import { describeFailure } from './describe-failure.js';
import { judgeAnswer, type Verdict } from './judge-answer.js';
import type { GAuthifyResolvedOptions } from './normalize-options.js';
import type { ObservedCall } from './telemetry.js';
import { isUnwritten } from './undici-adapter.js';
import { VERSION } from './version.js';
import { templateOf, type WireCall } from './wire-call.js';

/** A request under way. */
export interface Asked {
  /** Never rejects. */
  verdict: Promise<Verdict>;
  /** Drops the connection; the verdict then means nothing. */
  cancel(): void;
  /** Whether it ran out of time. */
  isLate(): boolean;
}

/** Makes one request at one access point, and says what came of it. */
@Injectable()
export class Asker {
  private readonly logger = new Logger('GAuthifyClient');

  constructor(
    private readonly http: HttpService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: GAuthifyResolvedOptions,
    /** None where the application's own `HttpModule` makes the connections. */
    @Optional() private readonly connections?: Connections,
  ) {}

  ask(
    point: AccessPoint,
    call: WireCall,
    idempotencyKey: string | undefined,
    timeoutMs: number,
    observed?: ObservedCall,
  ): Asked {
    const controller = new AbortController();
    const { signal } = controller;
    const startedAt = performance.now();
    let isLate = false;
    let timer: NodeJS.Timeout | undefined;
    const verdict = new Promise<Verdict>((resolve) => {
      const end = (result: Verdict, answer?: AxiosResponse<string>) => {
        clearTimeout(timer);
        this.log(point, call, result, startedAt, answer);
        observed?.attempted(point.url, result, answer?.status);
        resolve(result);
      };
      // By the clock, not by silence on the socket: a server that dribbles a
      // byte a second must not hold a caller for ever.
      timer = setTimeout(() => {
        isLate = true;
        controller.abort();
        end({
          kind: isUnwritten(signal) ? 'unsent' : 'lost',
          reason: `did not answer within ${timeoutMs} ms (timeoutMs)`,
        });
      }, timeoutMs);
      signal.addEventListener('abort', () => clearTimeout(timer));
      this.http.axiosRef
        .request<string>(this.request(point, call, idempotencyKey, signal))
        .then(
          (answer) => {
            if (signal.aborted) return;
            const { status, headers, data } = answer;
            const result = judgeAnswer({
              status,
              headers: headers,
              text: data,
            });
            learn(point, headers, result);
            end(result, answer);
          },
          (error: unknown) => {
            if (!isLate) end(describeFailure(error, isUnwritten(signal)));
          },
        );
    });
    return {
      verdict,
      cancel: () => controller.abort(),
      isLate: () => isLate,
    };
  }

  /** Spells out what an application may have changed in `axios.defaults`. */
  private request(
    point: AccessPoint,
    { method, path, params, query }: WireCall,
    idempotencyKey: string | undefined,
    signal: AbortSignal,
  ): AxiosRequestConfig {
    return {
      method,
      url: point.url + path + (query ? `?${query}` : ''),
      baseURL: '',
      auth: { username: '', password: this.options.apiKey },
      headers: {
        Accept: 'application/json',
        'User-Agent': `nestjs-gauthify/${VERSION}`,
        ...(params && { 'Content-Type': 'application/x-www-form-urlencoded' }),
        ...(idempotencyKey && { 'Idempotency-Key': idempotencyKey }),
      },
      // In the body alone: a query ends up in access logs, with codes and tokens.
      data: params && new URLSearchParams(params).toString(),
      transformRequest: (data: unknown) => data,
      transformResponse: (data: unknown) => data,
      responseType: 'text',
      validateStatus: () => true,
      // A redirect would carry the API key elsewhere.
      maxRedirects: 0,
      timeout: 0,
      signal,
      ...(this.connections && { adapter: this.connections.adapter }),
    };
  }

  private log(
    point: AccessPoint,
    call: WireCall,
    verdict: Verdict,
    startedAt: number,
    answer: AxiosResponse<string> | undefined,
  ): void {
    if (!Logger.isLevelEnabled('debug')) return;
    const outcome =
      'reason' in verdict ? verdict.reason : `answered ${answer?.status}`;
    // What GAuthify calls the request in its own log; nothing else of a body
    // that may hold secrets.
    const id = /"request_id": ?"([0-9a-f]{32})"/.exec(answer?.data ?? '')?.[1];
    this.logger.debug(
      `${call.method} ${templateOf(call)}: ${point.url} ${outcome} after ${Math.round(performance.now() - startedAt)} ms${id ? `, request_id ${id}` : ''}`,
    );
  }
}

/** Every answer of a server that knows idempotency keys says where it keeps their answers. */
function learn(
  point: AccessPoint,
  headers: AxiosResponse['headers'],
  { kind }: Verdict,
): void {
  const scope: unknown = headers['idempotency-scope'];
  if (typeof scope === 'string' && scope !== '') point.scope = scope;
  // Another server stands there now. (A refusal may come from in front of it.)
  else if (kind === 'data') point.scope = undefined;
}
