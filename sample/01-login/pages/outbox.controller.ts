import { Controller, Get, Render, UseGuards } from '@nestjs/common';
import { Outbox } from 'nestjs-gauthify/server';
import type { Account } from '../accounts/accounts.service.js';
import { CurrentAccount, SignedInGuard } from './signed-in.guard.js';

const KINDS = { email: 'E-mail', sms: 'Text message', voice: 'Call' };

/**
 * Stands in for mailbox and phone, and is therefore behind the password alone:
 * an application of yours has no such page.
 */
@Controller('outbox')
@UseGuards(SignedInGuard)
export class OutboxController {
  constructor(private readonly outbox: Outbox) {}

  @Get()
  @Render('outbox')
  page(@CurrentAccount() { id }: Account): object {
    const messages = this.outbox
      .messages('sample')
      .filter(({ uniqueId }) => uniqueId === id)
      .map(({ channel, to, text, sentAt }) => ({
        kind: KINDS[channel],
        to,
        text,
        sentAt,
        time: `${sentAt.slice(11, 19)} UTC`,
      }));
    return { title: 'Outbox', messages };
  }
}
