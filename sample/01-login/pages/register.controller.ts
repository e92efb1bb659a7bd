import { Body, Controller, Get, Post, Render, Res } from '@nestjs/common';
import type { Response } from 'express';
import { isGAuthifyError, ParameterError } from 'nestjs-gauthify';
import {
  AccountsService,
  NameTakenError,
} from '../accounts/accounts.service.js';
import { type Problems, readForm } from '../accounts/read-form.js';
import { RegisterForm } from '../accounts/register.form.js';

const TITLE = 'Create an account';

@Controller('register')
export class RegisterController {
  constructor(private readonly accounts: AccountsService) {}

  @Get()
  @Render('register')
  page(): object {
    return { title: TITLE };
  }

  @Post()
  async register(
    @Body() body: unknown,
    @Res() response: Response,
  ): Promise<void> {
    const { form, problems = await this.create(form) } = await readForm(
      RegisterForm,
      body,
    );
    if (!problems) {
      response.redirect(303, '/?registered');
      return;
    }
    const { name, email, phone } = form;
    // What was typed is there again, but the password: pages get stored.
    response
      .status(422)
      .render('register', { title: TITLE, name, email, phone, problems });
  }

  private async create(form: RegisterForm): Promise<Problems | undefined> {
    try {
      await this.accounts.register(form);
      return undefined;
    } catch (error) {
      if (error instanceof NameTakenError)
        return { name: 'Somebody has this name already. Choose another.' };
      if (error instanceof ParameterError)
        return { form: `GAuthify does not take this: ${error.message}.` };
      if (isGAuthifyError(error))
        return {
          form: 'GAuthify cannot be reached, so no account was made. Try again in a moment.',
        };
      throw error;
    }
  }
}
