import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import type { Channel } from '../../contract/channel.js';
import { CheckAuthDto } from '../../contract/dto/check-auth.dto.js';
import { toE164 } from '../../contract/dto/phone-number.js';
import { SendEmailDto } from '../../contract/dto/send-email.dto.js';
import { SendSmsDto } from '../../contract/dto/send-sms.dto.js';
import { SendVoiceDto } from '../../contract/dto/send-voice.dto.js';
import { TokenDto } from '../../contract/dto/token.dto.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import {
  DELIVERY_UNKNOWN,
  SendersService,
} from '../delivery/senders.service.js';
import type { AcceptedCode } from '../factors/check.js';
import { CheckService } from '../factors/check.service.js';
import { Tokens } from '../factors/tokens.js';
import { Observer } from '../observability/observer.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { InFlight } from '../store/in-flight.js';
import { UserView } from '../users/user-view.js';
import { UsersService } from '../users/users.service.js';
import { Api } from './api.decorator.js';
import { type Call, CurrentCall } from './call.decorator.js';
import { Calls } from './calls.js';
import { Params } from './params.decorator.js';

/** `check/`, `token/`, `email/`, `sms/` and `voice/` of the contract. */
@Api()
@Controller('v1')
export class CodesController {
  constructor(
    private readonly calls: Calls,
    private readonly users: UsersService,
    private readonly view: UserView,
    private readonly checks: CheckService,
    private readonly tokens: Tokens,
    private readonly delivery: DeliveryService,
    private readonly senders: SendersService,
    private readonly inFlight: InFlight,
    private readonly observer: Observer,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  @Post('check')
  @HttpCode(200)
  async check(
    @CurrentCall() call: Call,
    // Two forks of the old clients call it `otp`.
    @Params({ otp: 'auth_code' }) params: CheckAuthDto,
  ) {
    const { realm, keyed, origin } = call;
    const { uniqueId: unique_id, authCode: code } = params;
    const answerTo = (accepted: AcceptedCode | null) => ({
      unique_id,
      authenticated: accepted !== null,
      method: accepted?.method ?? null,
      ...(accepted && { epoch: accepted.epoch }),
    });
    const check = {
      owner: { realm, unique_id },
      code,
      origin,
      ...(keyed && { once: { request: keyed, answerTo } }),
    };
    try {
      const outcome = await this.checks.check(check);
      if (call.isLegacy)
        return await this.legacyAnswer(
          call,
          unique_id,
          'accepted' in outcome && outcome.accepted !== null,
        );
      return 'accepted' in outcome
        ? this.calls.answer(call, answerTo(outcome.accepted))
        : // If the user has changed since: the answer to a code that was used before.
          await this.calls.repeat(call, outcome.stored, () => answerTo(null));
    } catch (error) {
      const isAnswered =
        error instanceof RateLimitError &&
        this.settings.whileLocked === 'false';
      if (!isAnswered) throw error;
      return call.isLegacy
        ? await this.legacyAnswer(call, unique_id, false)
        : this.calls.answer(call, answerTo(null));
    }
  }

  /** `GET users/{id}/check/{code}/` answers the user, and two fields without which its clients fail. */
  private async legacyAnswer(
    call: Call,
    unique_id: string,
    authenticated: boolean,
  ): Promise<object> {
    const user = await this.calls.read((db) =>
      this.users.get(db, call.realm, unique_id),
    );
    return this.calls.answer(call, {
      ...this.view.show(user, call.settings),
      provided_auth: true,
      authenticated,
    });
  }

  @Post('token')
  @HttpCode(200)
  async userByToken(
    @CurrentCall() call: Call,
    @Params() { token }: TokenDto,
  ): Promise<object> {
    return await this.calls.once(
      call,
      async (unit, note) => {
        const redeemed = await this.tokens.redeem(unit, call.realm, token);
        if (!redeemed) return noSuchToken();
        const { user, method } = redeemed;
        note({
          action: 'token.redeem',
          user: user.id,
          ...(method && { details: { method } }),
        });
        return {
          ...this.view.show(
            await this.users.withFactors(unit.db, user),
            call.settings,
          ),
          method,
        };
      },
      noSuchToken,
    );
  }

  @Post('email')
  @HttpCode(200)
  sendEmail(@CurrentCall() call: Call, @Params() params: SendEmailDto) {
    return this.send(call, params.uniqueId, 'email', params.email);
  }

  @Post('sms')
  @HttpCode(200)
  sendSms(@CurrentCall() call: Call, @Params() params: SendSmsDto) {
    const number = params.smsNumber && toE164(params.smsNumber);
    return this.send(call, params.uniqueId, 'sms', number);
  }

  @Post('voice')
  @HttpCode(200)
  sendVoice(@CurrentCall() call: Call, @Params() params: SendVoiceDto) {
    const number = params.voiceNumber && toE164(params.voiceNumber);
    return this.send(call, params.uniqueId, 'voice', number);
  }

  private send(
    call: Call,
    uniqueId: string,
    channel: Channel,
    address: string | null | undefined,
  ): Promise<object> {
    const { delivery, users } = this;
    const sent = this.calls.send(call, {
      prepare: async (unit) => {
        const row = await users.lock(unit, call.realm, uniqueId);
        const prepared = await delivery.prepare(
          unit,
          row,
          call.settings,
          channel,
          address,
        );
        return { prepared, user: await users.withFactors(unit.db, row) };
      },
      eventOf: ({ user }) => ({
        action: 'send',
        user: user.id,
        details: { channel },
      }),
      handOver: ({ prepared }) =>
        this.senders.send(prepared.message, call.origin.requestId),
      undo: (unit, { prepared }) => delivery.undo(unit, prepared),
      isUnknown: (error) =>
        error instanceof ServerError && error.errorCode === DELIVERY_UNKNOWN,
      answerTo: ({ user }) => this.view.show(user, call.settings),
    });
    const { realm } = call;
    return this.inFlight.add(this.observer.send({ channel, realm }, sent));
  }
}

function noSuchToken(): never {
  throw new NotFoundError('The token is unknown, used or expired', {
    errorCode: 'token_not_found',
  });
}
