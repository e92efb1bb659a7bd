import { Injectable } from '@nestjs/common';
import type { Response } from 'express';
import type { Account } from '../accounts/accounts.service.js';
import { SecondFactorService } from '../second-factor/second-factor.service.js';

/** What the page says besides the form. */
export interface CodePageState {
  /** @default 200 */
  status?: number;
  /** What is wrong with the code that was entered. */
  codeProblem?: string | undefined;
  /** What else did not work. */
  problem?: string;
  /** What just happened. */
  notice?: string;
}

/** The form for a code; before the first right one, with what sets an authenticator app up. */
@Injectable()
export class CodePage {
  constructor(private readonly secondFactor: SecondFactorService) {}

  async show(
    response: Response,
    account: Account,
    { status = 200, ...state }: CodePageState = {},
  ): Promise<void> {
    // Who has only the password of an enrolled account must not learn its secret.
    const enrolment = await this.secondFactor.enrolment(account);
    const page = enrolment
      ? { title: 'Set up your authenticator app', enrolment }
      : { title: 'Enter your code', channels: channelsOf(account) };
    response.status(status).render('code', { ...page, ...state });
  }
}

/** Ways to send a code that the account has an address for. */
function channelsOf({ email, phone }: Account): object[] {
  return [
    ...(email
      ? [{ channel: 'email', label: `E-mail it to ${maskEmail(email)}` }]
      : []),
    ...(phone
      ? [
          { channel: 'sms', label: `Text it to ${maskPhone(phone)}` },
          { channel: 'voice', label: `Call ${maskPhone(phone)}` },
        ]
      : []),
  ];
}

/** j…@example.com */
const maskEmail = (email: string) => email.replace(/^(.).*(?=@)/, '$1…');

/** …77 */
const maskPhone = (phone: string) => `…${phone.slice(-2)}`;
