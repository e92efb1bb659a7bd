import { Controller, Get } from '@nestjs/common';
import { Outbox } from '../delivery/outbox.js';
import { Realm } from './api-key.guard.js';
import { Api } from './api.decorator.js';
import { ERROR_CODES } from '../../contract/error-codes.js';

/** What is told about the server itself. */
@Api()
@Controller('v1')
export class ServiceController {
  constructor(private readonly outbox: Outbox) {}

  /** `errors/` of the contract. */
  @Get('errors')
  errors(): Record<string, string> {
    return ERROR_CODES;
  }

  /**
   * Messages of channels nothing is configured for; newest first. Not in the
   * contract. No more than the key can see anyway: `otp` of every user is a code.
   */
  @Get('outbox')
  messages(@Realm() realm: string) {
    return this.outbox
      .messages(realm)
      .map(({ channel, to, subject, text, uniqueId, sentAt }) => ({
        channel,
        to,
        subject,
        text,
        unique_id: uniqueId,
        sent_at: sentAt,
      }));
  }
}
