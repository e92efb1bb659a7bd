import { Controller, Get } from '@nestjs/common';
import { Outbox } from '../delivery/outbox.js';
import { RealmsService } from '../realms/realms.service.js';
import { Api } from './api.decorator.js';
import { type Call, CurrentCall } from './call.decorator.js';
import { Calls } from './calls.js';
import { ERROR_CODES } from '../../contract/error-codes.js';

/** Information about the server itself: `realm/`, `errors/` and `outbox/`. */
@Api()
@Controller('v1')
export class ServiceController {
  constructor(
    private readonly calls: Calls,
    private readonly outbox: Outbox,
    private readonly realms: RealmsService,
  ) {}

  /** `errors/` of the contract. */
  @Get('errors')
  errors(@CurrentCall() call: Call) {
    return this.calls.answer(call, ERROR_CODES);
  }

  /** `realm/` of the contract. */
  @Get('realm')
  async realm(@CurrentCall() call: Call) {
    const realm = await this.realms.find(call.realm);
    const meta = realm?.settings.meta ?? null;
    return this.calls.answer(call, { name: call.realm, meta });
  }

  /**
   * Messages of channels that have no sender, newest first. Not in the contract.
   * Reveals nothing new: the API key already sees every user's `otp`.
   */
  @Get('outbox')
  messages(@CurrentCall() call: Call) {
    const messages = this.outbox
      .messages(call.realm)
      .map(({ channel, to, subject, text, uniqueId, sentAt }) => ({
        channel,
        to,
        subject,
        text,
        unique_id: uniqueId,
        sent_at: sentAt,
      }));
    return this.calls.answer(call, messages);
  }
}
