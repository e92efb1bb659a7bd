import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import { Redirect } from './redirect.js';
import type { SignedInRequest } from './session.js';

/** Behind `SignedInGuard`: lets in who entered a code in this session; all others get the code form. */
@Injectable()
export class VerifiedGuard implements CanActivate {
  canActivate(context: ExecutionContext): true {
    const { session } = context.switchToHttp().getRequest<SignedInRequest>();
    if (session.verified !== true) throw new Redirect('/code');
    return true;
  }
}
