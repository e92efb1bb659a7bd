import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  UnprocessableEntityException,
} from '@nestjs/common';
import type { Response } from 'express';
import { type MfaDenialCode, RateLimitError } from 'nestjs-gauthify';
import type { Account } from '../accounts/accounts.service.js';
import { CodePage } from './code.page.js';
import { PageFilter } from './page.filter.js';
import type { SignedInRequest } from './session.js';

/** Turns what `MfaGuard` throws into the form again, with a sentence why. */
@Catch(HttpException)
export class MfaFilter implements ExceptionFilter<HttpException> {
  constructor(private readonly codePage: CodePage) {}

  async catch(error: HttpException, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const { account } = http.getRequest<SignedInRequest>();
    try {
      await this.codePage.show(http.getResponse<Response>(), account, {
        status: error.getStatus(),
        codeProblem:
          error instanceof UnprocessableEntityException
            ? error.message
            : sentenceOf(error, account),
      });
    } catch (failure) {
      // Nothing catches what a filter throws.
      new PageFilter().catch(failure, host);
    }
  }
}

function sentenceOf({ errorCode, cause }: HttpException, account: Account) {
  switch (errorCode as MfaDenialCode) {
    case 'mfa_required':
    case 'mfa_code_missing':
    case 'mfa_code_not_text':
      return 'Enter the code.';
    case 'mfa_invalid_code':
      return 'That code is wrong or was used before. Enter the next one that the app shows.';
    case 'mfa_too_many_attempts':
      return waitSentence(cause);
    case 'mfa_enrollment_required':
      return account.enrolled
        ? 'GAuthify no longer knows this account: its database was lost or replaced. Nobody can sign in with it; create another.'
        : 'Set up your authenticator app first, then enter its code.';
    // Who is not signed in was sent to the sign-in page before.
    case 'mfa_not_signed_in':
    // Of the ready-made routes, which this sample does not mount.
    case 'mfa_unknown_method':
    case 'mfa_method_unavailable':
    case 'mfa_not_json':
    case 'mfa_unavailable':
      return 'Codes cannot be checked now. Try again in a moment.';
  }
}

function waitSentence(cause: unknown): string {
  const { errorCode, retryAfterSeconds } = cause as RateLimitError;
  if (errorCode === 'user_locked')
    return 'This account is locked after too many wrong codes. Only whoever runs this site can unlock it.';
  return `Too many wrong codes. Try again in ${retryAfterSeconds ?? 60} seconds.`;
}
