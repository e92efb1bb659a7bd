import { promisify } from 'node:util';
import type { Request } from 'express';
import type { SessionData } from 'express-session';
import type { Account } from '../accounts/accounts.service.js';

declare module 'express-session' {
  interface SessionData {
    /** Whose password was right. */
    accountId: string;
    /** Whether a code was right, too. */
    verified: boolean;
  }
}

/** A request that `SignedInGuard` let in. */
export interface SignedInRequest extends Request {
  account: Account;
}

/** Puts a session of another id in place: one that somebody slipped the browser before is worth nothing after. */
export async function startSession(
  request: Request,
  data: Partial<SessionData>,
): Promise<void> {
  await promisify(request.session.regenerate.bind(request.session))();
  Object.assign(request.session, data);
}
