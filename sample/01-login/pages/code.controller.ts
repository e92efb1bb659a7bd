import {
  BadRequestException,
  Body,
  Controller,
  Get,
  Post,
  Query,
  Req,
  Res,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { isGAuthifyError, MfaGuard, RateLimitError } from 'nestjs-gauthify';
import { type Channel, CHANNELS } from 'nestjs-gauthify/server';
import { type Account, AccountsService } from '../accounts/accounts.service.js';
import { PossibleCodeGuard } from '../second-factor/possible-code.guard.js';
import { SecondFactorService } from '../second-factor/second-factor.service.js';
import { CodePage } from './code.page.js';
import { MfaFilter } from './mfa.filter.js';
import { Redirect } from './redirect.js';
import { startSession } from './session.js';
import { CurrentAccount, SignedInGuard } from './signed-in.guard.js';

const SENT: Record<Channel, string> = {
  email: 'A code is on its way by e-mail.',
  sms: 'A code is on its way by text message.',
  voice: 'You are being called with a code.',
};

/** Second factor. */
@Controller('code')
@UseGuards(SignedInGuard)
export class CodeController {
  constructor(
    private readonly accounts: AccountsService,
    private readonly secondFactor: SecondFactorService,
    private readonly codePage: CodePage,
  ) {}

  @Get()
  async page(
    @CurrentAccount() account: Account,
    @Req() request: Request,
    @Res() response: Response,
    @Query('sent') sent: unknown,
  ): Promise<void> {
    if (request.session.verified) throw new Redirect('/account');
    const notice = isChannel(sent) ? SENT[sent] : undefined;
    await this.codePage.show(response, account, { notice });
  }

  /** This is the whole of it: whoever gets here has entered a right code. */
  @Post()
  @UseGuards(PossibleCodeGuard, MfaGuard)
  @UseFilters(MfaFilter)
  async enter(
    @CurrentAccount() { id }: Account,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    this.accounts.markEnrolled(id);
    await startSession(request, { accountId: id, verified: true });
    response.redirect(303, '/account');
  }

  @Post('send')
  async send(
    @CurrentAccount() account: Account,
    @Body('channel') channel: unknown,
    @Res() response: Response,
  ): Promise<void> {
    if (!isChannel(channel)) throw new BadRequestException();
    // The first code comes from the app: it shows that the app is set up.
    if (!account.enrolled) throw new Redirect('/code');
    try {
      await this.secondFactor.send(account, channel);
    } catch (error) {
      if (!isGAuthifyError(error)) throw error;
      const seconds =
        error instanceof RateLimitError ? error.retryAfterSeconds : undefined;
      await this.codePage.show(response, account, {
        status: seconds ? 429 : 503,
        problem: seconds
          ? `A code was sent a moment ago. Ask for another in ${seconds} seconds.`
          : 'No code could be sent this way. Try another, or try again later.',
      });
      return;
    }
    response.redirect(303, `/code?sent=${channel}`);
  }
}

function isChannel(value: unknown): value is Channel {
  return CHANNELS.includes(value as Channel);
}
