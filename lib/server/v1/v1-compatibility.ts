import type { Server, ServerResponse } from 'node:http';
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { RequestObserver } from '../observability/request-observer.js';
import { LONGEST_PARAM } from './fastify-adapter.js';
import { MOUNT_PATH, STANDALONE } from '../settings/mount-path.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import {
  answerExpectations,
  answerUnreadableRequests,
} from './unreadable-requests.js';
import { failure } from './envelope.js';
import type { RawParams, RawRequest } from './raw-request.js';
import { notUtf8, readParams } from './read-params.js';
import { originForm, withoutTrailingSlashes } from './url-path.js';

/** More than 255 UTF-16 code units, the longest `unique_id`. */
const LONGEST_ID = 512;

/**
 * What may follow an id in the path of a call that is not in the contract. The
 * published clients do not percent-encode ids, so an id that ends like this must be.
 */
const BELOW_USER: Readonly<Record<string, RegExp>> = {
  GET: /\/factors$/,
  HEAD: /\/factors$/,
  POST: /\/(?:factors|recovery_codes|unlock)$/,
  PUT: /\/factors\/[^/]+$/,
  DELETE: /\/factors\/[^/]+$/,
};

const KNOWN_METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
];

/**
 * Compatibility with the published v1 clients, below Express and Fastify, and
 * for the paths of this module alone: an optional trailing slash, ids in the path that
 * are not percent-encoded, bodies of any content type, and an envelope for
 * unknown paths.
 */
@Injectable()
export class V1Compatibility implements OnModuleInit {
  /** The paths of the API start with this. */
  private readonly prefix: string;
  /** Paths that start with this belong to this server alone. */
  private readonly scope: string;
  /** A call without parameters in its path or query, as the published clients write it. */
  private readonly plainCall: RegExp;
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(MOUNT_PATH) mountPath: string,
    @Inject(STANDALONE) private readonly standalone: boolean,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly requests: RequestObserver,
  ) {
    this.prefix = `${mountPath}/v1/`;
    this.scope = standalone ? '/' : mountPath ? `${mountPath}/` : this.prefix;
    this.plainCall = new RegExp(`^${escaped(this.prefix)}[a-z]+/$`);
    // In the constructor: the body must be read before the application's own
    // parsers are registered. In tests the adapter is created later.
    const useMiddleware = () => {
      this.adapterHost.httpAdapter.use(this.middleware);
    };
    if (adapterHost.httpAdapter) useMiddleware();
    else adapterHost.init$.subscribe(useMiddleware);
  }

  onModuleInit(): void {
    const { httpAdapter } = this.adapterHost;
    this.warnOfShortParams();
    const server = httpAdapter.getHttpServer() as Server;
    const isOurs = (url: string | undefined) =>
      url === undefined
        ? this.standalone
        : this.isOurs(this.inOurCase(originForm(url)));
    answerUnreadableRequests(server, isOurs, this.now);
    answerExpectations(server, isOurs);
    // Before the router reads the URL.
    server.prependListener('request', (request: RawRequest, response) => {
      // Most requests: nothing has to be made of them.
      const isPlain = this.plainCall.test(request.url!);
      if (isPlain && request.method === 'POST') {
        this.requests.begin(request, response);
        request.url = request.url!.slice(0, -1);
        return;
      }
      const url = this.inOurCase(originForm(request.url ?? '/'));
      if (!this.isOurs(url)) return;
      this.requests.begin(request, response);
      request.url = this.normalizeUrl(url, request);
      // Routers differ in how they answer unknown methods. PATCH has no route: a 404.
      if (!KNOWN_METHODS.includes(request.method ?? ''))
        request.method = 'PATCH';
    });
    // After the routes of the module: every path without a route.
    const rest = httpAdapter.getType() === 'fastify' ? '*' : '{*rest}';
    httpAdapter.all(`${this.scope}${rest}`, this.notFound);
    if (this.scope !== '/')
      httpAdapter.all(this.scope.slice(0, -1), this.notFound);
  }

  private readonly notFound = (_request: unknown, response: unknown): void => {
    const error = new NotFoundError(
      `There is nothing at this path, or not with this method: the paths of the API start with ${this.prefix}`,
      { errorCode: 'path_not_found' },
    );
    this.adapterHost.httpAdapter.reply(
      response,
      failure(error, this.now()),
      404,
    );
  };

  /** Express ignores the case of a path: `/V1/Users/` must not get around what is done here for `/v1/users/`. */
  private inOurCase(url: string): string {
    const ours = [`${this.prefix}users/`, this.prefix].find(
      (start) =>
        url.slice(0, start.length).toLowerCase() === start.toLowerCase(),
    );
    return ours === undefined ? url : ours + url.slice(ours.length);
  }

  private isOurs(url: string): boolean {
    return `${url.split('?', 1)[0]}/`.startsWith(this.scope);
  }

  /** Fastify finds no route if a path parameter is longer than its `maxParamLength`. */
  private warnOfShortParams(): void {
    const { httpAdapter } = this.adapterHost;
    if (httpAdapter.getType() !== 'fastify') return;
    const { initialConfig } = httpAdapter.getInstance<{
      initialConfig?: { routerOptions?: { maxParamLength?: number } };
    }>();
    const longest = initialConfig?.routerOptions?.maxParamLength;
    if (longest !== undefined && longest < LONGEST_PARAM)
      this.logger.warn(
        `Users whose unique_id has more than ${longest} characters will not be found: make the application with new FastifyAdapter({ routerOptions: { maxParamLength: ${LONGEST_PARAM} } })`,
      );
  }

  /** Removes the trailing slash, encodes an unencoded id, and escapes what a router refuses. */
  private normalizeUrl(url: string, request: RawRequest): string {
    const [, whole = '', query = ''] = /^([^?]*)(\?.*)?$/s.exec(url)!;
    const path = withoutTrailingSlashes(whole);
    const users = `${this.prefix}users/`;
    if (!path.startsWith(users)) {
      const known = path.startsWith(this.prefix) ? path : whole;
      return decode(known) === undefined
        ? `${known.replaceAll('%', '%25')}${query}`
        : `${known}${query}`;
    }
    const [raw, ...below] = splitUserPath(
      request.method ?? '',
      path.slice(users.length),
    );
    if (decode(raw) === undefined)
      request.gauthifyIdProblem = notUtf8('unique_id');
    return `${users}${[raw, ...below].map(encodeOnce).join('/')}${query}`;
  }

  private readonly middleware = (
    request: RawRequest,
    _response: ServerResponse,
    next: () => void,
  ): void => {
    const url =
      (request as { originalUrl?: string }).originalUrl ?? request.url;
    // Other routes may be the application's own: leave their bodies unread.
    if (!this.standalone && !url?.startsWith(this.prefix)) {
      next();
      return;
    }
    const noteAndGoOn = (params: RawParams | ParameterError) => {
      request.gauthifyParams = params;
      // Without these headers the application's parsers do not try to read the body again.
      delete request.headers['content-type'];
      delete request.headers['content-length'];
      delete request.headers['transfer-encoding'];
      const run = request.gauthifyObserved?.run;
      if (run) run(next);
      else next();
    };
    readParams(request, this.settings.security.maxBodyBytes).then(
      noteAndGoOn,
      (error: unknown) =>
        noteAndGoOn(
          error instanceof ParameterError
            ? error
            : new ParameterError('The body could not be read', {
                errorCode: 'invalid_body',
                cause: error,
              }),
        ),
    );
  };
}

/** A text as a regular expression that matches it. */
function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** `jane/factors/1` into the id and what follows it: `['jane', 'factors', '1']`. */
function splitUserPath(
  method: string,
  path: string,
): [id: string, ...below: string[]] {
  const start = BELOW_USER[method]?.exec(path)?.index ?? 0;
  return start === 0
    ? [path]
    : [path.slice(0, start), ...path.slice(start + 1).split('/')];
}

/** Percent-encodes a parameter that may be encoded already. */
function encodeOnce(raw: string): string {
  // No parameter is longer, and routers are slow with a long one.
  const known = (decode(raw) ?? raw).slice(0, LONGEST_ID);
  return encodeURIComponent(known.toWellFormed());
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
