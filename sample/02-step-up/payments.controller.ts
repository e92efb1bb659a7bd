import { Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import {
  Mfa,
  MfaGuard,
  type MfaVerification,
  RequireMfa,
} from 'nestjs-gauthify';
import { SignedInGuard } from './signed-in.guard.js';

/** What the second factor is for. */
@Controller('payments')
@UseGuards(SignedInGuard, MfaGuard)
export class PaymentsController {
  /** By user. */
  private readonly payments = new Map<string, string[]>();

  /** Any second factor of the last 15 minutes will do. */
  @Get()
  list(@Mfa() { userId }: MfaVerification): string[] {
    return this.payments.get(userId) ?? [];
  }

  /** One of the last minute, by the authenticator app. */
  @RequireMfa({ maxAgeSeconds: 60, methods: ['totp'] })
  @Post()
  @HttpCode(200)
  pay(@Mfa() { userId, verifiedAt }: MfaVerification): string[] {
    const payment = `20 € by ${userId}, confirmed at ${verifiedAt.toISOString()}`;
    const payments = [...(this.payments.get(userId) ?? []), payment];
    this.payments.set(userId, payments);
    return payments;
  }
}
