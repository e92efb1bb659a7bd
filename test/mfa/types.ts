/** Read by the compiler alone: what the decorators take, and what they refuse. */
import { Controller, Get, UseGuards } from '@nestjs/common';
import {
  Mfa,
  MfaGuard,
  type MfaOptions,
  type MfaVerification,
  RequireMfa,
  SkipMfa,
} from 'nestjs-gauthify';

@UseGuards(MfaGuard)
@RequireMfa({ maxAgeSeconds: 60, methods: ['totp', 'email'] })
@Controller()
export class Typed {
  @RequireMfa() @Get('a') a(@Mfa() mfa: MfaVerification): Date {
    return mfa.verifiedAt;
  }

  @SkipMfa() @Get('b') b(@Mfa() mfa: MfaVerification | undefined): string {
    return mfa?.method ?? 'none';
  }

  // @ts-expect-error a kind of code that does not exist
  @RequireMfa({ methods: ['pigeon'] }) @Get('c') c(): void {}

  // @ts-expect-error seconds are a number
  @RequireMfa({ maxAgeSeconds: '60' }) @Get('d') d(): void {}

  // @ts-expect-error it takes no options
  @SkipMfa({}) @Get('e') e(): void {}

  @Get('f') f(@Mfa() mfa: MfaVerification): void {
    // @ts-expect-error nobody changes what was verified
    mfa.userId = 'joe';
  }
}

// @ts-expect-error a proof needs a secret
export const withoutSecret: MfaOptions = { proof: {} };
