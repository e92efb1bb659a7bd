import {
  Controller,
  Get,
  Inject,
  Res,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { NotForMfaGuard } from '../v1/api.decorator.js';
import { MOUNT_PATH } from '../settings/mount-path.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { RouteGuard } from '../observability/route.js';
import { html } from './html.js';
import { layout, pageHeaders } from './layout.js';
import { PageFilter } from './page.filter.js';
import { reply } from './reply.js';

/** `/` of the standalone server: says what it is to anyone who opens its address. */
@NotForMfaGuard()
@Controller()
@UseGuards(RouteGuard)
@UseFilters(PageFilter)
export class HomeController {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(MOUNT_PATH) private readonly mountPath: string,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  @Get()
  home(@Res() response: unknown): void {
    const title = 'GAuthify server';
    const { publicUrl = 'ADDRESS' } = this.settings;
    const accessPoint = `${publicUrl}${this.mountPath}/v1/`;
    const page = layout(
      title,
      html`<h1>${title}</h1>
        <p>This server provides the GAuthify v1 API for second factors.</p>
        <p>
          Set the access point of your client to <code>${accessPoint}</code>,
          and give it an API key of this server. With curl:
          <code>curl -u :KEY ${accessPoint}users/</code>
        </p>
        <p><a href="${this.mountPath}/openapi">All calls of the API</a></p>`,
    );
    reply(this.adapterHost.httpAdapter, response, 200, page, pageHeaders([]));
  }
}
