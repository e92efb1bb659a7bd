import type { Server } from 'node:http';
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
import { modernized, withModernNames } from './legacy-routes.js';
import { inOurCase, normalizeUrl } from './normalize-url.js';
import type { RawParams, RawRequest } from './raw-request.js';
import { notUtf8, readParams } from './read-params.js';
import { originForm } from './url-path.js';

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
    if (adapterHost.httpAdapter) this.readBodiesFirst();
    else adapterHost.init$.subscribe(() => this.readBodiesFirst());
  }

  onModuleInit(): void {
    const { httpAdapter } = this.adapterHost;
    this.warnOfShortParams();
    const server = httpAdapter.getHttpServer() as Server;
    const isOurs = (url: string | undefined) =>
      url === undefined
        ? this.standalone
        : this.isOurs(inOurCase(originForm(url), this.prefix));
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
      const url = inOurCase(originForm(request.url ?? '/'), this.prefix);
      if (!this.isOurs(url)) return;
      this.requests.begin(request, response);
      const known = this.settings.legacyRoutes
        ? this.modernize(request, url)
        : url;
      const normalized = normalizeUrl(known, request.method ?? '', this.prefix);
      request.url = normalized.url;
      if (normalized.isIdUnreadable)
        request.gauthifyIdProblem = notUtf8('unique_id');
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

  /** Makes a call of version 1.2 what it is called now. @returns the URL */
  private modernize(request: RawRequest, url: string): string {
    const { method = '' } = request;
    const [, path = '', query = ''] = /^([^?]*)(.*)$/s.exec(url)!;
    if (!path.startsWith(this.prefix)) return url;
    const below = path.slice(this.prefix.length);
    const modern = modernized(method, this.prefix, below, query);
    if (!modern) return url;
    request.gauthifyIsLegacy = true;
    request.gauthifyHasNoBody = method === 'GET';
    request.method = modern.method;
    return modern.url;
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

  private readBodiesFirst(): void {
    const { httpAdapter } = this.adapterHost;
    if (httpAdapter.getType() !== 'fastify') {
      httpAdapter.use(this.readBody);
      return;
    }
    // A hook, because middleware on Fastify parses each URL once more.
    httpAdapter
      .getInstance<FastifyHooks>()
      .addHook('onRequest', ({ raw }, reply, done) =>
        this.readBody(raw, reply, done),
      );
  }

  private readonly readBody = (
    request: RawRequest,
    _response: unknown,
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
      request.gauthifyParams =
        this.settings.legacyRoutes && !(params instanceof ParameterError)
          ? withModernNames(params)
          : params;
      // Without these headers the application's parsers do not try to read the body again.
      delete request.headers['content-type'];
      delete request.headers['content-length'];
      delete request.headers['transfer-encoding'];
      const run = request.gauthifyObserved?.run;
      if (run) run(next);
      else next();
    };
    const { security, legacyRoutes } = this.settings;
    readParams(request, security.maxBodyBytes, legacyRoutes).then(
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

/** The part of a Fastify instance that is used here. */
interface FastifyHooks {
  addHook(
    name: 'onRequest',
    hook: (
      request: { raw: RawRequest },
      reply: unknown,
      done: () => void,
    ) => void,
  ): void;
}

/** A text as a regular expression that matches it. */
function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
