import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { pageHeaders } from './layout.js';
import { errorView } from './views.js';

/** Answers every error of a page with a page. */
@Catch()
export class PageFilter implements ExceptionFilter {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 500;
    if (status >= 500)
      this.logger.error(error instanceof Error ? error.stack : String(error));
    const page =
      status < 500
        ? errorView(
            'This page does not exist',
            'The link may be incomplete, or replaced by a newer one. Ask the site that gave it to you for a new one.',
          )
        : errorView('Something went wrong', 'Try again in a moment.');
    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    for (const [name, value] of Object.entries(pageHeaders([])))
      httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, page, status);
  }
}
