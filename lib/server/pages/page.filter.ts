import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Inject,
  Logger,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { pageHeaders } from './layout.js';
import { reply } from './reply.js';
import { errorView } from './views.js';

/** Title and text of the error page, by status. */
const SENTENCES: Record<number, [title: string, text: string]> = {
  404: [
    'This link does not work',
    'It may be incomplete, or a newer link may have replaced it. Ask the site that gave it to you for a new one.',
  ],
  410: [
    'This QR code is no longer shown',
    'It has already set up an authenticator app. To set up another one, ask the site that gave you the link for a new QR code.',
  ],
  429: ['Too many requests', 'Wait a minute, then try again.'],
};

const REFUSED: [string, string] = [
  'That did not work',
  'Go back and try again. If it happens again, tell the site that sent you here.',
];

const FAILED: [string, string] = [
  'Something went wrong',
  'Try again in a moment. If it happens again, tell the site that sent you here.',
];

/** Answers every error of a page with an error page. */
@Catch()
export class PageFilter implements ExceptionFilter {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 500;
    if (status >= 500)
      this.logger.error(error instanceof Error ? error.stack : String(error));
    const sentences = SENTENCES[status] ?? (status < 500 ? REFUSED : FAILED);
    const page = errorView(this.settings.issuer, ...sentences);
    const response: unknown = host.switchToHttp().getResponse();
    const { httpAdapter } = this.adapterHost;
    reply(httpAdapter, response, status, page, pageHeaders([]));
  }
}
