import { Body, Controller, Get, Post, Render, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { isGAuthifyError, ParameterError } from 'nestjs-gauthify';
import {
  AccountsService,
  NameTakenError,
} from '../accounts/accounts.service.js';
import { Limits, TooManyError } from '../accounts/limits.js';
import { networkOf } from '../accounts/network-of.js';
import { type Problems, readForm } from '../accounts/read-form.js';
import { RegisterForm } from '../accounts/register.form.js';
import { startSession } from './session.js';
import { inMinutes } from './wait.js';

const TITLE = 'Create an account';

@Controller('register')
export class RegisterController {
  constructor(
    private readonly accounts: AccountsService,
    private readonly limits: Limits,
  ) {}

  @Get()
  @Render('register')
  page(): object {
    return { title: TITLE };
  }

  /** Who registers has just chosen the password, and so is signed in. */
  @Post()
  async register(
    @Body() body: unknown,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { form, problems } = await readForm(RegisterForm, body);
    if (problems) {
      show(response.status(422), form, problems);
      return;
    }
    try {
      // Before the name is looked up: this form tells which names are taken.
      this.limits.register(networkOf(request.ip));
      const accountId = await this.accounts.register(form);
      await startSession(request, { accountId });
    } catch (error) {
      if (error instanceof TooManyError)
        response.setHeader('Retry-After', error.retryAfterSeconds);
      const [status, problems] = refusalOf(error);
      show(response.status(status), form, problems);
      return;
    }
    response.redirect(303, '/code');
  }
}

/** What was typed is there again, except for the password: pages get stored. */
function show(
  response: Response,
  { name, email, phone }: RegisterForm,
  problems: Problems,
): void {
  response.render('register', { title: TITLE, name, email, phone, problems });
}

/** Status and sentence for why there is no account. */
function refusalOf(error: unknown): [status: number, problems: Problems] {
  if (error instanceof NameTakenError)
    return [422, { name: 'Somebody has this name already. Choose another.' }];
  if (error instanceof TooManyError) {
    const wait = inMinutes(error.retryAfterSeconds);
    const form = `Too many accounts were asked for from your network. Try again in ${wait}.`;
    return [429, { form }];
  }
  if (error instanceof ParameterError)
    return [422, { form: `GAuthify does not take this: ${error.message}.` }];
  if (isGAuthifyError(error)) {
    const form =
      'GAuthify cannot be reached, so no account was made. Try again in a moment.';
    return [503, { form }];
  }
  throw error;
}
