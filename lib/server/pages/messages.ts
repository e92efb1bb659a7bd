import type { User } from '../factors/factors.service.js';

/** In place of a QR code. */
export const USED_QR_CODE =
  'This QR code has been used, and is not shown again.';

/** If nothing was entered that can be a code. */
export const NO_CODE = 'Enter the 6-digit code from your authenticator app.';

const WRONG_RECOVERY_CODE =
  'That recovery code is wrong or has already been used. Each code works once: enter another one.';

const WRONG_CODE =
  'That code is wrong or has already been used. Wait for the app to show a new one, then enter it.';

/** Added if the user is enrolled: the page cannot tell a sent code from a wrong one without using it up. */
const NO_SENT_CODES =
  'Codes sent by e-mail, SMS or phone call are not accepted here.';

/** If the code was not accepted. */
export function wrongCode({ enrolled }: User, code: string): string {
  // Recovery codes alone have letters.
  if (/[a-z]/i.test(code)) return WRONG_RECOVERY_CODE;
  return enrolled === 1 ? `${WRONG_CODE} ${NO_SENT_CODES}` : WRONG_CODE;
}
