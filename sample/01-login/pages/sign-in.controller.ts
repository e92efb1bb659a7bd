import {
  Body,
  Controller,
  Get,
  Post,
  Query,
  Render,
  Req,
  Res,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { AccountsService } from '../accounts/accounts.service.js';
import { asText, asTrimmedText } from '../accounts/read-form.js';
import { Redirect } from './redirect.js';
import { startSession } from './session.js';

/** First factor: name and password. */
@Controller()
export class SignInController {
  constructor(private readonly accounts: AccountsService) {}

  @Get()
  @Render('sign-in')
  page(
    @Req() request: Request,
    @Query('registered') registered: unknown,
  ): object {
    if (request.session.accountId) throw new Redirect('/account');
    return { title: 'Sign in', registered: registered !== undefined };
  }

  @Post('sign-in')
  async signIn(
    @Body() body: Record<string, unknown> | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const name = asTrimmedText({ value: body?.name });
    const password = asText({ value: body?.password });
    const account = await this.accounts.signIn(name, password);
    if (!account) {
      response
        .status(422)
        .render('sign-in', { title: 'Sign in', name, wrong: true });
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
