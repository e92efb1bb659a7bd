import {
  Body,
  type CanActivate,
  Controller,
  Get,
  Header,
  HttpCode,
  Inject,
  Post,
  Req,
  Res,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import { ConflictError } from '../contract/errors/conflict.error.js';
import { NotFoundError } from '../contract/errors/not-found.error.js';
import { GAuthifyService } from '../client/gauthify.service.js';
import type { MfaRoutesOption } from './mfa.options.js';
import type { MfaRequest } from './mfa-exchange.js';
import { methodsOf } from './known-users.js';
import { atLeastAsStrongAs } from './method-strength.js';
import {
  methodUnavailable,
  MFA_CHANNELS,
  MfaRouteGuard,
} from './mfa-route.guard.js';
import { MfaService } from './mfa.service.js';
import { otpauthUriOf, QrCodes } from './qr-codes.js';
import { SkipMfa } from './require-mfa.decorator.js';

/** Age of the second factor that may change the factor, seconds. */
const FRESH_SECONDS = 60;

/** What `POST enroll` shows, once. */
interface Enrolment {
  /** base32, to type */
  key: string;
  /** `otpauth://` URI, to open in an app on the same device */
  otpauthUri: string;
  /** the same as an SVG document, to scan */
  qr: string;
}

/**
 * The controller behind `mfa.routes`. Every route is for the signed-in user
 * alone: who that is, the application says (`mfa.userId`), never the request's
 * body. POSTs take JSON only, which no form of another site can send.
 */
export function createMfaController(
  option: Exclude<MfaRoutesOption, false>,
): Type<unknown> {
  const {
    path = 'mfa',
    guards = [],
    recoverBy = [],
  }: Exclude<MfaRoutesOption, boolean | string> = typeof option === 'object'
    ? option
    : { path: option === true ? 'mfa' : option };
  if (
    !Array.isArray(recoverBy) ||
    !recoverBy.every((it) => MFA_CHANNELS.includes(it))
  )
    throw new Error(
      'GAuthifyModule: mfa.routes.recoverBy must be a list of email, sms or voice.',
    );
  const signedIn: (Type<CanActivate> | CanActivate)[] = [
    ...guards,
    MfaRouteGuard,
  ];

  // A guard of the whole application would ask for what is only got here.
  @SkipMfa()
  @Controller(path)
  @UseGuards(...signedIn)
  class MfaController {
    constructor(
      @Inject(GAuthifyService) private readonly gauthify: GAuthifyService,
      @Inject(MfaService) private readonly mfa: MfaService,
      @Inject(MfaRouteGuard) private readonly guard: MfaRouteGuard,
      @Inject(QrCodes) private readonly qrCodes: QrCodes,
    ) {}

    /** Whether the user is enrolled, what they can be asked for, and since when their second factor counts. */
    @Get('status')
    @Header('Cache-Control', 'no-store')
    async status(
      @Req() request: MfaRequest,
      @Res({ passthrough: true }) response: unknown,
    ) {
      const userId = this.guard.userIdOf(request);
      const user = await this.find(request, response, userId);
      const earlier = await this.guard.earlier(request, userId);
      return {
        enrolled: user !== undefined && user.enrolled !== false,
        methods: user ? methodsOf(user) : [],
        verifiedAt: earlier?.verifiedAt.toISOString() ?? null,
        method: earlier?.method ?? null,
      };
    }

    /** Sends the user a code: `{ "method": "email" | "sms" | "voice" }`. */
    @Post('challenge')
    @HttpCode(200)
    async challenge(
      @Req() request: MfaRequest,
      @Res({ passthrough: true }) response: unknown,
      @Body() body: { method?: unknown } | undefined,
    ) {
      const userId = this.guard.userIdOf(request);
      const channel = this.guard.channelOf(body?.method);
      await this.guard.translate(
        request,
        response,
        () => firstValueFrom(this.mfa.challenge(userId, channel)),
        methodUnavailable,
      );
      return { sent: channel };
    }

    /** Checks `{ "code" }` and hands a proof over, as the guard does. */
    @Post('verify')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    verify(
      @Req() request: MfaRequest,
      @Res({ passthrough: true }) response: unknown,
      @Body() body: { code?: unknown } | undefined,
    ) {
      return this.guard.verify(request, response, body?.code, {});
    }

    /**
     * A new secret for who has none that works: the user is enrolled once
     * `enroll/confirm` got a first code. Who can be asked for a second factor
     * already needs one of the last minute, at least as strong as the strongest
     * they have, and loses the old secret at once.
     */
    @Post('enroll')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    async enroll(
      @Req() request: MfaRequest,
      @Res({ passthrough: true }) response: unknown,
    ): Promise<Enrolment> {
      const userId = this.guard.userIdOf(request);
      const user =
        (await this.renew(request, response, userId, ConflictError)) ??
        // Another request made or enrolled the user in between: decide again.
        (await this.renew(request, response, userId))!;
      const otpauthUri = otpauthUriOf(user);
      const qr = await this.qrCodes.draw(otpauthUri);
      return { key: user.key, otpauthUri, qr };
    }

    /** Checks the first code of the authenticator app: `{ "code" }`. */
    @Post('enroll/confirm')
    @HttpCode(200)
    @Header('Cache-Control', 'no-store')
    confirm(
      @Req() request: MfaRequest,
      @Res({ passthrough: true }) response: unknown,
      @Body() body: { code?: unknown } | undefined,
    ) {
      return this.guard.verify(request, response, body?.code, {
        methods: ['totp'],
      });
    }

    /** Gives the user a new secret, or makes them; `undefined` after an error of a class that is expected. */
    private async renew(
      request: MfaRequest,
      response: unknown,
      userId: string,
      expected?: Type<Error>,
    ): Promise<GAuthifyUser | undefined> {
      const user = await this.find(request, response, userId);
      // Neither a password alone nor a mailbox may replace the app there is.
      const methods = user ? methodsOf(user) : [];
      if (methods.length > 0)
        await this.guard.requireFresh(request, response, userId, {
          maxAgeSeconds: FRESH_SECONDS,
          methods: [...atLeastAsStrongAs(methods), ...recoverBy],
        });
      const renewed = await this.guard.translate(request, response, () =>
        firstValueFrom(
          user === undefined
            ? this.gauthify.createUser({
                uniqueId: userId,
                displayName: this.guard.displayNameOf(request, userId),
              })
            : this.gauthify.updateUser(userId, {
                resetKey: true,
                // Else a password alone would do until the new app is confirmed,
                keepEnrolled: user.enrolled === true,
                // or just after the first one was.
                unlessEnrolled: user.enrolled === false,
              }),
        ).catch(undefinedFor(expected)),
      );
      this.mfa.forget(userId);
      return renewed;
    }

    private async find(
      request: MfaRequest,
      response: unknown,
      userId: string,
    ): Promise<GAuthifyUser | undefined> {
      return await this.guard.translate(request, response, () =>
        firstValueFrom(this.gauthify.getUser(userId)).catch(
          undefinedFor(NotFoundError),
        ),
      );
    }
  }
  return MfaController;
}

/** For `catch`: takes errors of a class as `undefined`. */
const undefinedFor =
  (type: Type<Error> | undefined) =>
  (error: unknown): undefined => {
    if (!type || !(error instanceof type)) throw error;
  };
