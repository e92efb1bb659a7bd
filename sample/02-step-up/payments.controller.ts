import {
  Body,
  ConflictException,
  Controller,
  Get,
  HttpCode,
  NotFoundException,
  Post,
  Req,
  UseGuards,
} from '@nestjs/common';
import type { Request } from 'express';
import {
  Mfa,
  MfaGuard,
  type MfaVerification,
  RequireMfa,
  SkipMfa,
} from 'nestjs-gauthify';
import { SignedInGuard } from './signed-in.guard.js';

/** What there is to pay: the same for everybody. */
const INVOICES = [
  { id: 'books', to: 'Corner Bookshop', amount: '€42.50' },
  { id: 'power', to: 'City Power', amount: '€98.20' },
  { id: 'gym', to: 'Riverside Gym', amount: '€35.00' },
];

/** A payment that was made. */
interface Payment {
  invoice: string;
  text: string;
}

/** What the second factor is for. */
@Controller()
@UseGuards(SignedInGuard, MfaGuard)
export class PaymentsController {
  private readonly payments = new Map<string, Payment[]>();

  /** Needs no second factor. */
  @SkipMfa()
  @Get('invoices')
  invoices(@Req() { session }: Request): object[] {
    const payments = this.paymentsOf(session.userId!);
    return INVOICES.map((invoice) => ({
      ...invoice,
      paid: payments.some((payment) => payment.invoice === invoice.id),
    }));
  }

  /** Any second factor of the last 15 minutes will do. */
  @Get('payments')
  list(@Mfa() { userId }: MfaVerification): Payment[] {
    return this.paymentsOf(userId);
  }

  /** Needs one of the last minute, by the authenticator app. */
  @RequireMfa({ maxAgeSeconds: 60, methods: ['totp'] })
  @Post('payments')
  @HttpCode(200)
  pay(
    @Mfa() { userId, verifiedAt }: MfaVerification,
    @Body('invoice') id: unknown,
  ): Payment[] {
    const invoice = INVOICES.find((candidate) => candidate.id === id);
    if (!invoice) throw new NotFoundException('There is no such invoice.');
    const payments = this.paymentsOf(userId);
    if (payments.some((payment) => payment.invoice === invoice.id))
      throw new ConflictException('This invoice is paid already.');
    const { to, amount } = invoice;
    const time = verifiedAt.toISOString().slice(11, 19);
    const text = `${amount} to ${to}, confirmed at ${time} UTC`;
    const paid = [...payments, { invoice: invoice.id, text }];
    this.payments.set(userId, paid);
    return paid;
  }

  private paymentsOf(userId: string): Payment[] {
    return this.payments.get(userId) ?? [];
  }
}
