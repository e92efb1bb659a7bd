import { HttpService } from '@nestjs/axios';
import { Inject, Injectable } from '@nestjs/common';
import type { AxiosRequestConfig } from 'axios';
import {
  catchError,
  concatMap,
  defer,
  find,
  from,
  map,
  of,
  tap,
  throwError,
  timeout,
  type Observable,
} from 'rxjs';
import { ServerError } from '../errors/server.error.js';
import { GAUTHIFY_MODULE_OPTIONS } from '../gauthify.module-definition.js';
import { describeFailure } from './describe-failure.js';
import { judgeAnswer, type Verdict } from './judge-answer.js';
import type { GAuthifyResolvedOptions } from './normalize-options.js';
import { VERSION } from './version.js';

/** One call of the GAuthify API, in wire terms. */
export interface WireCall {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the access point, percent-encoded, with its last slash: `users/jane/`. */
  path: string;
  /** Form fields, by their names on the wire. */
  params?: Record<string, string>;
}

/** Makes one call of the GAuthify API: asks the access points in order until one answers. */
@Injectable()
export class GAuthifyTransport {
  constructor(
    private readonly http: HttpService,
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: GAuthifyResolvedOptions,
  ) {}

  /**
   * Emits `data` of the answer, once. Cold: every subscription is a call of its
   * own. Unsubscribing drops the connection and asks no further access point.
   *
   * Errors with the {@link GAuthifyError} GAuthify answered with, or with a
   * {@link ServerError} when no access point was of use; its `cause` is then an
   * `AggregateError` of what went wrong at each.
   */
  call(call: WireCall): Observable<unknown> {
    const { accessPoints, totalTimeoutMs } = this.options;
    return defer(() => {
      const failures: Error[] = [];
      const verdict$ = from(accessPoints).pipe(
        concatMap((accessPoint) =>
          this.ask(accessPoint, call).pipe(
            tap((verdict) => {
              if (verdict.kind === 'next')
                failures.push(new Error(`${accessPoint} ${verdict.reason}`));
            }),
          ),
        ),
        find(({ kind }) => kind !== 'next'),
        map((verdict) => {
          if (verdict?.kind === 'data') return verdict.data;
          throw verdict?.kind === 'error'
            ? verdict.error
            : unreachable(failures);
        }),
      );
      if (totalTimeoutMs === undefined) return verdict$;
      const late = new Error(
        `No access point answered within ${totalTimeoutMs} ms (totalTimeoutMs)`,
      );
      return verdict$.pipe(
        timeout({
          first: totalTimeoutMs,
          with: () => throwError(() => unreachable([...failures, late])),
        }),
      );
    });
  }

  /** One attempt at one access point. Never errors. */
  private ask(accessPoint: string, call: WireCall): Observable<Verdict> {
    const { timeoutMs } = this.options;
    return this.http.request<string>(this.request(accessPoint, call)).pipe(
      // By the clock, not by silence on the socket: a server that dribbles a
      // byte a second must not hold a caller for ever.
      timeout({ first: timeoutMs }),
      map(({ status, headers, data }) =>
        judgeAnswer({ status, headers: { ...headers }, text: data }),
      ),
      catchError((error: unknown) =>
        of<Verdict>({
          kind: 'next',
          reason: describeFailure(error, timeoutMs),
        }),
      ),
    );
  }

  /** Spells out what an application may have changed in `axios.defaults`. */
  private request(accessPoint: string, call: WireCall): AxiosRequestConfig {
    const { method, path, params } = call;
    return {
      method,
      url: accessPoint + path,
      baseURL: '',
      auth: { username: '', password: this.options.apiKey },
      headers: {
        Accept: 'application/json',
        'User-Agent': `nestjs-gauthify/${VERSION}`,
        ...(params && { 'Content-Type': 'application/x-www-form-urlencoded' }),
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
    };
  }
}

/** Neutral in its message, which a browser may see; what happened where is in `cause`, for the log. */
function unreachable(failures: Error[]): ServerError {
  return new ServerError('GAuthify could not be reached or failed.', {
    cause: new AggregateError(
      failures,
      failures.map(({ message }) => message).join('; '),
    ),
  });
}
