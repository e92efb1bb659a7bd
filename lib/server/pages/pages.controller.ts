import {
  Controller,
  Get,
  HttpCode,
  Inject,
  Param,
  Post,
  Res,
  StreamableFile,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { isPossibleAuthCode } from '../../contract/dto/auth-code.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { NotForMfaGuard } from '../v1/api.decorator.js';
import { RouteGuard } from '../observability/route.js';
import type { AcceptedCode } from '../factors/check.js';
import { CheckService } from '../factors/check.service.js';
import { inWords } from '../factors/wait-text.js';
import { Tokens } from '../factors/tokens.js';
import type { User } from '../factors/factors.service.js';
import { DATABASE, type Database } from '../store/database.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import { UserView } from '../users/user-view.js';
import type { Origin } from '../audit/audit-event.js';
import { AuditLog } from '../audit/audit-log.js';
import { PageOrigin } from './page-origin.decorator.js';
import { AuthCode } from './auth-code.decorator.js';
import { pageHeaders } from './layout.js';
import { NO_CODE, wrongCode } from './messages.js';
import { PageUsers } from './page-users.js';
import { PageFilter } from './page.filter.js';
import { drawingKey, QrImages } from './qr-images.js';
import { reply } from './reply.js';
import {
  type EnrolmentContext,
  ezView,
  instructionsView,
  type PageContext,
  tokenView,
} from './views.js';

/** `ez_url` and `instructions_url` of a user. */
@NotForMfaGuard()
@Controller('v1')
@UseGuards(RouteGuard)
@UseFilters(PageFilter)
export class PagesController {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly pages: PageUsers,
    private readonly view: UserView,
    private readonly checks: CheckService,
    private readonly tokens: Tokens,
    private readonly audit: AuditLog,
    private readonly adapterHost: HttpAdapterHost,
    private readonly qrImages: QrImages,
  ) {}

  /** How to set up an authenticator app; any site may frame it [contract]. */
  @Get('instructions/:id/:signature')
  async instructions(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @Res() response: unknown,
  ): Promise<void> {
    const { user, settings } = await this.pages.of(
      'instructions',
      id,
      signature,
    );
    const page = instructionsView(await this.contextOf(user, settings));
    this.reply(response, 200, page, pageHeaders(['*']));
  }

  /** Enrols the user; asks a user who is enrolled for a code. */
  @Get('ez/:id/:signature')
  async ez(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @Res() response: unknown,
  ): Promise<void> {
    const { user, settings } = await this.pages.of('ez', id, signature);
    await this.replyEz(response, user, settings);
  }

  /**
   * Redirects to the realm's return URL with a token if the code is right. A user
   * who is enrolled needs their app or a one-time pass: otherwise access to the
   * mailbox would be enough to pass for the second factor.
   */
  @Post('ez/:id/:signature')
  @HttpCode(200)
  async confirm(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @AuthCode() code: string | undefined,
    @PageOrigin() origin: Origin,
    @Res() response: unknown,
  ): Promise<void> {
    const { user, settings } = await this.pages.of('ez', id, signature);
    const checked = await this.check(user, code, origin);
    const token =
      typeof checked === 'string'
        ? undefined
        : await this.issueToken(user, checked, origin);
    if (token === undefined) {
      const problem =
        typeof checked === 'string' ? checked : wrongCode(user, code!);
      await this.replyEz(response, user, settings, problem);
      return;
    }
    const { returnUrl } = settings;
    if (returnUrl === undefined) {
      const page = tokenView(nameOf(user, settings), token);
      this.reply(response, 200, page, pageHeaders([]));
      return;
    }
    const target = new URL(returnUrl);
    target.searchParams.set('token', token);
    this.reply(response, 303, '', {
      Location: target.href,
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
    });
  }

  /** @returns `undefined` if the user was deleted or reset since */
  private issueToken(
    user: User,
    accepted: AcceptedCode,
    origin: Origin,
  ): Promise<string | undefined> {
    return this.database.unit(async (unit) => {
      const token = await this.tokens.issue(unit, user, accepted);
      const { id, realm } = user;
      if (token !== undefined)
        await this.audit.append(unit, [
          { realm, origin, action: 'token.issue', user: id },
        ]);
      return token;
    });
  }

  /** The accepted code, or the sentence that says what is wrong. */
  private async check(
    user: User,
    code: string | undefined,
    origin: Origin,
  ): Promise<AcceptedCode | string> {
    // Not counted as an attempt: this text cannot be a code, so it is not a guess.
    if (code === undefined || !isPossibleAuthCode(code)) return NO_CODE;
    try {
      const outcome = await this.checks.check({
        owner: user,
        code,
        origin,
        sentCodesIfEnrolled: false,
      });
      const accepted = 'accepted' in outcome ? outcome.accepted : null;
      return accepted ?? wrongCode(user, code);
    } catch (error) {
      if (!(error instanceof RateLimitError)) throw error;
      return error.errorCode === 'user_locked'
        ? 'Too many wrong codes. Ask the site that sent you here to reset your second factor.'
        : `Too many wrong codes. Try again in ${inWords(error.retryAfterSeconds ?? 60)}.`;
    }
  }

  private async replyEz(
    response: unknown,
    user: User,
    settings: RealmSettings,
    problem?: string,
  ): Promise<void> {
    const { returnUrl } = settings;
    const targets = returnUrl === undefined ? [] : [new URL(returnUrl).origin];
    this.reply(
      response,
      200,
      ezView({
        ...(await this.contextOf(user, settings)),
        problem,
        hasRecoveryCodes: user.recovery_codes_left > 0,
      }),
      pageHeaders(settings.frameAncestors, targets),
    );
  }

  private async contextOf(
    user: User,
    settings: RealmSettings,
  ): Promise<EnrolmentContext> {
    // The secret is shown only until the first right code: a link that leaks later reveals nothing.
    if (!user.may_show_secret) {
      if (!this.settings.keepQrUrl)
        this.qrImages.forget(drawingKey(user, settings));
      return { ...nameOf(user, settings), enrolment: undefined };
    }
    const { key, otpauth_uri } = this.view.enrolment(user, user.totp, settings);
    const svg = await this.qrImages.get(
      'svg',
      drawingKey(user, settings),
      () => otpauth_uri,
    );
    const qrCode = `data:image/svg+xml;base64,${svg.toString('base64')}`;
    return { ...nameOf(user, settings), enrolment: { qrCode, key } };
  }

  private reply(
    response: unknown,
    status: number,
    body: string | StreamableFile,
    headers: Record<string, string>,
  ): void {
    reply(this.adapterHost.httpAdapter, response, status, body, headers);
  }
}

const nameOf = (
  { display_name }: User,
  { issuer }: RealmSettings,
): PageContext => ({ issuer, displayName: display_name });
