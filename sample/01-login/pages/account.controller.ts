import { Controller, Get, Render, UseGuards } from '@nestjs/common';
import type { Account } from '../accounts/accounts.service.js';
import { CurrentAccount, SignedInGuard } from './signed-in.guard.js';
import { VerifiedGuard } from './verified.guard.js';

/** What both factors protect. */
@Controller('account')
@UseGuards(SignedInGuard, VerifiedGuard)
export class AccountController {
  @Get()
  @Render('account')
  page(@CurrentAccount() { name, email, phone }: Account): object {
    return { title: `Welcome, ${name}`, name, email, phone };
  }
}
