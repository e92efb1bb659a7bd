import { promisify } from 'node:util';
import {
  BadRequestException,
  Body,
  Controller,
  Get,
  HttpCode,
  Post,
  Req,
} from '@nestjs/common';
import type { Request } from 'express';

/** Stands in for a first factor: it believes everybody. Sample 01 has passwords. */
@Controller()
export class SignInController {
  /** Who is signed in: asked when the page is loaded again. */
  @Get('sign-in')
  whoIsSignedIn(@Req() { session }: Request): { name: string | null } {
    return { name: session.userId ?? null };
  }

  @Post('sign-in')
  @HttpCode(200)
  async signIn(
    @Body('name') name: unknown,
    @Req() request: Request,
  ): Promise<{ name: string }> {
    if (typeof name !== 'string' || !/^[\w.-]{1,40}$/.test(name))
      throw new BadRequestException(
        'Choose a name of 1 to 40 letters (without accents), digits, dots, dashes or underscores.',
      );
    await startSession(request);
    request.session.userId = name;
    return { name };
  }

  /** Proofs are bound to the session: the cookie of one that is left behind is worth nothing. */
  @Post('sign-out')
  @HttpCode(200)
  async signOut(@Req() request: Request): Promise<{ name: null }> {
    await startSession(request);
    return { name: null };
  }
}

/** Ends the session there is, and begins one of another id. */
function startSession({ session }: Request): Promise<unknown> {
  return promisify(session.regenerate.bind(session))();
}
