import {
  Controller,
  Get,
  Inject,
  Param,
  Res,
  StreamableFile,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { RouteGuard } from '../observability/route.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { UserView } from '../users/user-view.js';
import { NotForMfaGuard } from '../v1/api.decorator.js';
import { USED_QR_CODE } from './messages.js';
import { PageFilter } from './page.filter.js';
import { PageUsers } from './page-users.js';
import { drawingKey, QrImages } from './qr-images.js';
import { reply } from './reply.js';

/** `qr_url` of a user. */
@NotForMfaGuard()
@Controller('v1')
@UseGuards(RouteGuard)
@UseFilters(PageFilter)
export class QrController {
  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly pages: PageUsers,
    private readonly view: UserView,
    private readonly adapterHost: HttpAdapterHost,
    private readonly qrImages: QrImages,
  ) {}

  /**
   * The user's QR code, a PNG. The URL stays in access logs and browser histories, so
   * it answers 410 after the first right code of its secret, unless `keepQrUrl` is set.
   */
  @Get('qr/:id/:signature')
  async qr(
    @Param('id') id: string,
    @Param('signature') signature: string,
    @Res() response: unknown,
  ): Promise<void> {
    const { user, settings } = await this.pages.of('qr', id, signature);
    const answer = (
      status: number,
      body: string | StreamableFile,
      headers: Record<string, string>,
    ) =>
      reply(this.adapterHost.httpAdapter, response, status, body, {
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
        ...headers,
      });
    const text = { 'Content-Type': 'text/plain; charset=utf-8' };
    if (
      !user.may_show_secret &&
      !(this.settings.keepQrUrl && user.totp.counter > 0)
    ) {
      this.qrImages.forget(drawingKey(user, settings));
      return answer(410, USED_QR_CODE, text);
    }
    const image = await this.qrImages.get(
      'png',
      drawingKey(user, settings),
      () => this.view.enrolment(user, user.totp, settings).otpauth_uri,
    );
    answer(200, new StreamableFile(image, { type: 'image/png' }), {});
  }
}
