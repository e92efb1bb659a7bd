import { promisify } from 'node:util';
import {
  BadRequestException,
  Body,
  Controller,
  HttpCode,
  Post,
  Req,
} from '@nestjs/common';
import type { Request } from 'express';

/** Stands in for a first factor: it believes everybody. Sample 01 has passwords. */
@Controller('sign-in')
export class SignInController {
  @Post()
  @HttpCode(200)
  async signIn(
    @Body('name') name: unknown,
    @Req() request: Request,
  ): Promise<{ name: string }> {
    if (typeof name !== 'string' || !/^[\w.-]{1,40}$/.test(name))
      throw new BadRequestException(
        'Choose a name of 1 to 40 letters, digits, dots, dashes or underscores.',
      );
    await promisify(request.session.regenerate.bind(request.session))();
    request.session.userId = name;
    return { name };
  }
}
