import {
  Controller,
  Get,
  Header,
  Inject,
  Res,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { RouteGuard } from '../observability/route.js';
import { pageHeaders } from '../pages/layout.js';
import { reply } from '../pages/reply.js';
import { MOUNT_PATH } from '../settings/mount-path.js';
import { NotForMfaGuard } from '../v1/api.decorator.js';
import { type OpenApiDocument, openApiDocument } from './document.js';
import { openApiView } from './view.js';

/** The description of the API, for programs and for people. It needs no API key: it says what the README says. */
@NotForMfaGuard()
@UseGuards(RouteGuard)
@Controller()
export class OpenApiController {
  private document: OpenApiDocument | undefined;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly modules: ModulesContainer,
    @Inject(MOUNT_PATH) private readonly mountPath: string,
  ) {}

  @Get('openapi.json')
  @Header('X-Content-Type-Options', 'nosniff')
  json(): OpenApiDocument {
    return (this.document ??= this.make());
  }

  @Get('openapi')
  page(@Res() response: unknown): void {
    const page = openApiView(this.json());
    reply(this.adapterHost.httpAdapter, response, 200, page, pageHeaders([]));
  }

  /** Of the controllers that are mounted together with this one. */
  private make(): OpenApiDocument {
    const own = [...this.modules.values()].find(
      ({ controllers }) =>
        controllers.get(OpenApiController)?.instance === this,
    )!;
    const types = [...own.controllers.values()].flatMap(({ metatype }) =>
      typeof metatype === 'function' ? [metatype] : [],
    );
    return openApiDocument(types as never, this.mountPath);
  }
}
