import { Body, Controller, Get, Post, Render, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import {
  type Account,
  AccountsService,
  loginOf,
} from '../accounts/accounts.service.js';
import { Limits, TooManyError } from '../accounts/limits.js';
import { networkOf } from '../accounts/network-of.js';
import { MAX_NAME_LENGTH } from '../accounts/register.form.js';
import { asText, asTrimmedText } from '../accounts/read-form.js';
import { Redirect } from './redirect.js';
import { startSession } from './session.js';
import { inMinutes } from './wait.js';

const TITLE = 'Sign in';

/** First factor: name and password. */
@Controller()
export class SignInController {
  constructor(
    private readonly accounts: AccountsService,
    private readonly limits: Limits,
  ) {}

  @Get()
  @Render('sign-in')
  page(@Req() request: Request): object {
    if (request.session.accountId) throw new Redirect('/account');
    return { title: TITLE };
  }

  @Post('sign-in')
  async signIn(
    @Body() body: Record<string, unknown> | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const name = asTrimmedText({ value: body?.name });
    const password = asText({ value: body?.password });
    let account: Account | undefined;
    try {
      // Nobody has a longer name, and none is kept in memory.
      if (name.length <= MAX_NAME_LENGTH)
        account = await this.limits.signIn(
          loginOf(name),
          networkOf(request.ip),
          () => this.accounts.signIn(name, password),
        );
    } catch (error) {
      if (!(error instanceof TooManyError)) throw error;
      const wait = inMinutes(error.retryAfterSeconds);
      const problem = `Too many wrong passwords. Try again in ${wait}.`;
      response.setHeader('Retry-After', error.retryAfterSeconds);
      response.status(429).render('sign-in', { title: TITLE, name, problem });
      return;
    }
    if (!account) {
      const problem = 'Name or password is wrong.';
      response.status(422).render('sign-in', { title: TITLE, name, problem });
      return;
    }
    await startSession(request, { accountId: account.id });
    response.redirect(303, '/code');
  }

  @Post('sign-out')
  async signOut(
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await startSession(request, {});
    response.clearCookie('sid').redirect(303, '/');
  }
}
