import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { NotFoundError } from '../../errors/not-found.error.js';
import { ParameterError } from '../../errors/parameter.error.js';
import { CLOCK, type Clock } from '../clock.js';
import { LONGEST_PARAM } from '../fastify-adapter.js';
import { MOUNT_PATH } from '../mount-path.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings.js';
import { failure } from './envelope.js';
import type { RawRequest } from './raw-request.js';
import { readParams } from './read-params.js';

/**
 * What the published clients need of HTTP that Express and Fastify do not
 * agree on, below both and for the paths of this module alone: a slash at the
 * end or not, ids in the path that are not percent-encoded, bodies of any
 * content type, and an envelope for unknown paths.
 */
@Injectable()
export class HttpWire implements OnModuleInit {
  private readonly prefix: string;
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(MOUNT_PATH) mountPath: string,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {
    this.prefix = `${mountPath}/v1/`;
    // Here and not in `onModuleInit`: the body must be ours before the
    // application's own parsers see it. In tests the adapter comes later.
    const useMiddleware = () => {
      this.adapterHost.httpAdapter.use(this.middleware);
    };
    if (adapterHost.httpAdapter) useMiddleware();
    else adapterHost.init$.subscribe(useMiddleware);
  }

  onModuleInit(): void {
    const { httpAdapter } = this.adapterHost;
    this.warnOfShortParams();
    // Before the router, which is the first to look at the URL.
    (httpAdapter.getHttpServer() as Server).prependListener(
      'request',
      (request: IncomingMessage) => {
        request.url = this.normalizeUrl(request.url ?? '/');
      },
    );
    // After the routes of the module: whatever they did not take.
    const rest = httpAdapter.getType() === 'fastify' ? '*' : '{*rest}';
    httpAdapter.all(
      `${this.prefix}${rest}`,
      (_request: unknown, response: unknown) => {
        const error = new NotFoundError('There is nothing at this path', {
          errorCode: 'path_not_found',
        });
        httpAdapter.reply(response, failure(error, this.now()), 404);
      },
    );
  }

  /** Fastify finds no route for a parameter over a length it was made with. */
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

  /** Takes the slash at the end away, and encodes an id that is not encoded. */
  private normalizeUrl(url: string): string {
    const inner = url.slice(this.prefix.length);
    if (!url.startsWith(this.prefix) || /^\/*(\?|$)/.test(inner)) return url;
    const [, path, query] = /^([^?]*[^?/])\/*(\?.*)?$/s.exec(url)!;
    const users = `${this.prefix}users/`;
    if (!path!.startsWith(users)) return `${path}${query ?? ''}`;
    const id = decode(path!.slice(users.length));
    return `${users}${encodeURIComponent(id.toWellFormed())}${query ?? ''}`;
  }

  private readonly middleware = (
    request: RawRequest,
    _response: ServerResponse,
    next: () => void,
  ): void => {
    const url =
      (request as { originalUrl?: string }).originalUrl ?? request.url;
    if (!url?.startsWith(this.prefix)) {
      next();
      return;
    }
    readParams(request, this.settings.security.maxBodyBytes)
      .then((params) => {
        request.gauthifyParams = params;
      })
      .catch((error: unknown) => {
        request.gauthifyParams =
          error instanceof ParameterError
            ? error
            : new ParameterError('The body could not be read', {
                errorCode: 'invalid_body',
                cause: error,
              });
      })
      .finally(() => {
        // The body is read: without these the application's parsers leave it be.
        delete request.headers['content-type'];
        delete request.headers['content-length'];
        delete request.headers['transfer-encoding'];
        next();
      });
  };
}

function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
