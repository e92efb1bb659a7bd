import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { CheckAuthDto } from '../../contract/dto/check-auth.dto.js';
import { SendEmailDto } from '../../contract/dto/send-email.dto.js';
import { SendSmsDto } from '../../contract/dto/send-sms.dto.js';
import { SendVoiceDto } from '../../contract/dto/send-voice.dto.js';
import { toE164 } from '../../contract/dto/phone-number.js';
import { TokenDto } from '../../contract/dto/token.dto.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { CheckService } from '../factors/check.service.js';
import { Tokens } from '../factors/tokens.js';
import type { Channel } from '../../contract/channel.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { UserView } from '../users/user-view.js';
import { UsersService } from '../users/users.service.js';
import { Realm } from './api-key.guard.js';
import { Api } from './api.decorator.js';
import { OnRepetition } from './idempotency.interceptor.js';
import { Params } from './params.decorator.js';

/** `check/`, `token/`, `email/`, `sms/` and `voice/` of the contract. */
@Api()
@Controller('v1')
export class CodesController {
  constructor(
    private readonly users: UsersService,
    private readonly view: UserView,
    private readonly checks: CheckService,
    private readonly tokens: Tokens,
    private readonly delivery: DeliveryService,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  @Post('check')
  @HttpCode(200)
  @OnRepetition({
    triesCode: true,
    // The answer to a used code.
    afterChange: ({ unique_id }) => ({
      unique_id,
      authenticated: false,
      method: null,
    }),
  })
  async check(
    @Realm() realm: string,
    // Two forks of the old clients call it `otp`.
    @Params({ otp: 'auth_code' }) params: CheckAuthDto,
  ) {
    const user = await this.users.get(realm, params.uniqueId);
    const accepted = await this.accept(user.id, params.authCode);
    return {
      unique_id: user.unique_id,
      authenticated: accepted !== null,
      method: accepted?.method ?? null,
      ...(accepted && { epoch: accepted.epoch }),
    };
  }

  @Post('token')
  @HttpCode(200)
  @OnRepetition({ afterChange: noSuchToken })
  async userByToken(@Realm() realm: string, @Params() { token }: TokenDto) {
    const redeemed = await this.tokens.redeem(realm, token);
    if (!redeemed) noSuchToken();
    return { ...this.view.show(redeemed.user), method: redeemed.method };
  }

  @Post('email')
  @HttpCode(200)
  sendEmail(@Realm() realm: string, @Params() params: SendEmailDto) {
    return this.send(realm, params.uniqueId, 'email', params.email);
  }

  @Post('sms')
  @HttpCode(200)
  sendSms(@Realm() realm: string, @Params() params: SendSmsDto) {
    const number = params.smsNumber && toE164(params.smsNumber);
    return this.send(realm, params.uniqueId, 'sms', number);
  }

  @Post('voice')
  @HttpCode(200)
  sendVoice(@Realm() realm: string, @Params() params: SendVoiceDto) {
    const number = params.voiceNumber && toE164(params.voiceNumber);
    return this.send(realm, params.uniqueId, 'voice', number);
  }

  private async accept(userId: string, code: string) {
    try {
      return await this.checks.check(userId, code);
    } catch (error) {
      if (
        error instanceof RateLimitError &&
        this.settings.whileLocked === 'false'
      )
        return null;
      throw error;
    }
  }

  private async send(
    realm: string,
    uniqueId: string,
    channel: Channel,
    address: string | null | undefined,
  ) {
    const user = await this.users.get(realm, uniqueId);
    await this.delivery.send(user, channel, address);
    return this.view.show(user);
  }
}

function noSuchToken(): never {
  throw new NotFoundError('The token is unknown, used or expired', {
    errorCode: 'token_not_found',
  });
}
