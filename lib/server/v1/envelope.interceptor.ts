import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
  type NestInterceptor,
  StreamableFile,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { map, type Observable } from 'rxjs';
import { CLOCK, type Clock } from '../settings/clock.js';
import { stamp, success, type SuccessEnvelope } from './envelope.js';
import { PagedList } from './paged-list.js';
import { rawResponse } from './raw-request.js';

/** Wraps what a handler returns in the contract's envelope. */
@Injectable()
export class EnvelopeInterceptor implements NestInterceptor {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(CLOCK) private readonly now: Clock,
  ) {}

  intercept(
    context: ExecutionContext,
    next: CallHandler<unknown>,
  ): Observable<SuccessEnvelope | StreamableFile> {
    // The answers hold secrets and usable codes.
    this.adapterHost.httpAdapter.setHeader(
      context.switchToHttp().getResponse(),
      'Cache-Control',
      'no-store',
    );
    return next
      .handle()
      .pipe(
        map((data) =>
          data instanceof PagedList
            ? this.streamed(data, rawResponse(context))
            : success(data, this.now()),
        ),
      );
  }

  private streamed(list: PagedList, response: ServerResponse): StreamableFile {
    // By bytes, not by pieces: a slow client must not fill the memory.
    const stream = Readable.from(this.envelope(list, response), {
      objectMode: false,
    });
    response.once('close', () => stream.destroy());
    return new StreamableFile(stream, {
      type: 'application/json; charset=utf-8',
    }).setErrorHandler(() => {
      // The list is incomplete: ending it would pass it off as a whole one.
      response.destroy();
    });
  }

  private async *envelope(
    list: PagedList,
    { req }: ServerResponse,
  ): AsyncGenerator<string> {
    const rest = stamp(this.now());
    try {
      yield '{"data":';
      // HEAD wants the headers alone: nothing is read for it.
      if (req.method !== 'HEAD') yield* list.json();
      yield `,${JSON.stringify(rest).slice(1)}`;
    } catch (error) {
      this.logger.error(
        `request_id ${rest.request_id}: ${error instanceof Error ? error.stack : String(error)}`,
      );
      throw error;
    }
  }
}
