import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import type { Response } from 'express';
import { AccountsService } from '../accounts/accounts.service.js';
import { Redirect } from './redirect.js';
import type { SignedInRequest } from './session.js';

/** Lets in who signed in with a password; all others get the sign-in page. */
@Injectable()
export class SignedInGuard implements CanActivate {
  constructor(private readonly accounts: AccountsService) {}

  canActivate(context: ExecutionContext): true {
    const http = context.switchToHttp();
    const request = http.getRequest<SignedInRequest>();
    const { accountId } = request.session;
    const account = accountId && this.accounts.find(accountId);
    if (!account) throw new Redirect('/');
    request.account = account;
    http.getResponse<Response>().locals.signedInAs = account.name;
    return true;
  }
}

/** The account of who is signed in. */
export const CurrentAccount = createParamDecorator(
  (_: unknown, context: ExecutionContext) =>
    context.switchToHttp().getRequest<SignedInRequest>().account,
);
