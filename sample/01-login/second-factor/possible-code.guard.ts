import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  UnprocessableEntityException,
} from '@nestjs/common';
import type { Request } from 'express';
import { codeOf } from './code-of.js';

/** Before `MfaGuard`: what can be no code is not tried, so mistyping costs no attempt. */
@Injectable()
export class PossibleCodeGuard implements CanActivate {
  canActivate(context: ExecutionContext): true {
    const code = codeOf(context.switchToHttp().getRequest<Request>());
    if (!code || !/^\d{6}$/.test(code))
      throw new UnprocessableEntityException('Enter the 6-digit code.');
    return true;
  }
}
