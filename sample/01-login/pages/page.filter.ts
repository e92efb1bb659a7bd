import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
} from '@nestjs/common';
import type { Response } from 'express';
import { isGAuthifyError } from 'nestjs-gauthify';
import { BusyError } from '../accounts/turns.js';
import { Redirect } from './redirect.js';

/** Answers with a page whatever goes wrong. */
@Catch()
export class PageFilter implements ExceptionFilter {
  private readonly logger = new Logger('Sample');

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    if (error instanceof Redirect) {
      response.redirect(303, error.path);
      return;
    }
    if (error instanceof BusyError) {
      response.status(503).setHeader('Retry-After', 5);
      response.render('error', {
        title: 'Too many people at once',
        text: 'Nothing was done. Go back and try again in a moment.',
      });
      return;
    }
    const status = isGAuthifyError(error)
      ? 503
      : error instanceof HttpException
        ? error.getStatus()
        : 500;
    if (status >= 500)
      this.logger.error(error instanceof Error ? error.stack : String(error));
    response.status(status).render('error', {
      title: TITLES[status] ?? 'That did not work',
      text: TEXTS[status] ?? 'Go back and try again.',
    });
  }
}

const TITLES: Record<number, string> = {
  404: 'There is no such page',
  403: 'That came from another site',
  500: 'Something went wrong',
  503: 'GAuthify cannot be reached',
};

const TEXTS: Record<number, string> = {
  404: 'The address may be mistyped.',
  403: 'Only the pages of this site may send its forms, so nothing was done.',
  500: 'Try again in a moment.',
  503: 'Try again in a moment. Until then nobody is let in.',
};
