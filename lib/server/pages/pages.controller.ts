import {
  Controller,
  Get,
  HttpCode,
  Inject,
  NotFoundException,
  Param,
  Post,
  Res,
  StreamableFile,
  UseFilters,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { toString } from 'qrcode';
import { isPossibleAuthCode } from '../../contract/dto/auth-code.js';
import { RateLimitError } from '../../contract/errors/rate-limit.error.js';
import { NotForMfaGuard } from '../v1/api.decorator.js';
import type { Accepted } from '../factors/accepted.js';
import { CheckService } from '../factors/check.service.js';
import { inSeconds } from '../factors/in-seconds.js';
import { otpauthUri, toBase32 } from '../factors/otp.js';
import { Tokens } from '../factors/tokens.js';
import { Keyring } from '../store/keyring.js';
import type { UserRow } from '../store/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import { Links, type Page } from '../users/links.js';
import { openTotpSecret } from '../store/user-secrets.js';
import { UsersService } from '../users/users.service.js';
import { AuthCode } from './auth-code.decorator.js';
import { pageHeaders } from './layout.js';
import { PageFilter } from './page.filter.js';
import { inWords } from './in-words.js';
import { QrImages } from './qr-images.js';
import {
  type EnrolmentContext,
  ezView,
  instructionsView,
  type PageContext,
  tokenView,
} from './views.js';

const NO_CODE = 'Enter the 6-digit code from your authenticator app.';

const WRONG_CODE =
  'That code is wrong or has already been used. Wait for the app to show a new one, then enter it.';

/** `qr_url`, `ez_url` and `instructions_url` of a user. */
@NotForMfaGuard()
@Controller('v1')
@UseFilters(PageFilter)
export class PagesController {
  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly users: UsersService,
    private readonly links: Links,
    private readonly keyring: Keyring,
    private readonly checks: CheckService,
    private readonly tokens: Tokens,
    private readonly adapterHost: HttpAdapterHost,
    private readonly qrImages: QrImages,
  ) {}

  /**
   * The user's QR code, a PNG. The URL stays in access logs and histories, so it
   * ends with the first right TOTP code of the secret it shows (410), unless
   * `keepQrUrl` is set. More than 30 requests a minute are a 429.
   */
  @Get('qr/:id/:signature')
  async qr(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @Res() response: unknown,
  ): Promise<void> {
    const user = await this.userOf('qr', id, signature);
    const reply = (
      status: number,
      body: string | StreamableFile,
      headers: Record<string, string>,
    ) =>
      this.reply(response, status, body, {
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
        ...headers,
      });
    const text = { 'Content-Type': 'text/plain; charset=utf-8' };
    // What is drawn: another secret or name is another drawing.
    const key = `${user.totp_secret}\n${user.display_name}`;
    if (user.last_step > 0 && !this.settings.keepQrUrl) {
      this.qrImages.forget(key);
      const used = 'This QR code was used, and is not shown again.';
      return reply(410, used, text);
    }
    const image = await this.qrImages.get(key, () => this.uri(user));
    if (Buffer.isBuffer(image))
      return reply(200, new StreamableFile(image, { type: 'image/png' }), {});
    const { retryAfterSeconds } = image;
    reply(429, `Too many requests: wait ${inSeconds(retryAfterSeconds)}.`, {
      ...text,
      'Retry-After': String(retryAfterSeconds),
    });
  }

  /** How to set an authenticator up; may be framed by anyone [contract]. */
  @Get('instructions/:id/:signature')
  async instructions(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @Res() response: unknown,
  ): Promise<void> {
    const user = await this.userOf('instructions', id, signature);
    const page = instructionsView(await this.contextOf(user));
    this.reply(response, 200, page, pageHeaders(['*']));
  }

  /** Enrolment, or verification of one who is enrolled. */
  @Get('ez/:id/:signature')
  async ez(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @Res() response: unknown,
  ): Promise<void> {
    await this.replyEz(response, await this.userOf('ez', id, signature));
  }

  /** A right code leads to the realm's return URL with a token. */
  @Post('ez/:id/:signature')
  @HttpCode(200)
  async confirm(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @AuthCode() code: string | undefined,
    @Res() response: unknown,
  ): Promise<void> {
    const user = await this.userOf('ez', id, signature);
    const checked = await this.check(user, code);
    const token =
      typeof checked === 'string'
        ? undefined
        : await this.tokens.issue(user.id, checked.epoch);
    if (token === undefined) {
      const problem = typeof checked === 'string' ? checked : WRONG_CODE;
      await this.replyEz(response, user, problem);
      return;
    }
    const returnUrl = this.settings.returnUrls.get(user.realm);
    if (returnUrl === undefined) {
      const page = tokenView(this.nameOf(user), token);
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

  /** What was accepted, or the sentence that says what is wrong. */
  private async check(
    user: UserRow,
    code: string | undefined,
  ): Promise<Accepted | string> {
    // Costs no attempt: who mistypes is not made to wait.
    if (code === undefined || !isPossibleAuthCode(code)) return NO_CODE;
    try {
      return (await this.checks.check(user.id, code)) ?? WRONG_CODE;
    } catch (error) {
      if (!(error instanceof RateLimitError)) throw error;
      return error.errorCode === 'user_locked'
        ? 'Too many wrong codes. Ask the site that sent you here to reset your second factor.'
        : `Too many wrong codes. Try again in ${inWords(error.retryAfterSeconds ?? 60)}.`;
    }
  }

  private async userOf(
    page: Page,
    id: string,
    signature: string,
  ): Promise<UserRow> {
    const user = await this.users.findById(id);
    if (!user || !this.links.allows(user, page, signature))
      throw new NotFoundException();
    return user;
  }

  private async replyEz(
    response: unknown,
    user: UserRow,
    problem?: string,
  ): Promise<void> {
    const returnUrl = this.settings.returnUrls.get(user.realm);
    const targets = returnUrl === undefined ? [] : [new URL(returnUrl).origin];
    this.reply(
      response,
      200,
      ezView({ ...(await this.contextOf(user)), problem }),
      pageHeaders(this.settings.frameAncestors, targets),
    );
  }

  private async contextOf(user: UserRow): Promise<EnrolmentContext> {
    return {
      ...this.nameOf(user),
      // A link that leaks later shows nothing: the secret is shown until a first code was right.
      enrolment:
        user.last_step > 0
          ? undefined
          : {
              qrCode: await svgDataUrl(this.uri(user)),
              key: toBase32(openTotpSecret(this.keyring, user)),
            },
    };
  }

  private nameOf({ display_name }: UserRow): PageContext {
    return { issuer: this.settings.issuer, displayName: display_name };
  }

  private uri(user: UserRow): string {
    const secret = openTotpSecret(this.keyring, user);
    return otpauthUri(secret, this.settings.issuer, user.display_name);
  }

  private reply(
    response: unknown,
    status: number,
    body: string | StreamableFile,
    headers: Record<string, string>,
  ): void {
    const { httpAdapter } = this.adapterHost;
    for (const [name, value] of Object.entries(headers))
      httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, body, status);
  }
}

/** An image a page can carry in itself; a fifth of the work of a PNG. */
async function svgDataUrl(text: string): Promise<string> {
  const svg = await toString(text, { type: 'svg' });
  return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
}
