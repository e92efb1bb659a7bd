import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  UnauthorizedException,
} from '@nestjs/common';
import type { Request } from 'express';

declare module 'express-session' {
  interface SessionData {
    /** Of sample 02: who signed in. */
    userId: string;
  }
}

@Injectable()
export class SignedInGuard implements CanActivate {
  canActivate(context: ExecutionContext): true {
    const request = context.switchToHttp().getRequest<Request>();
    if (!request.session.userId) throw new UnauthorizedException();
    return true;
  }
}
