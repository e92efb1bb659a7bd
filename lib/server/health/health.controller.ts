import { Controller, Get, Header, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { NotForMfaGuard } from '../v1/api.decorator.js';
import { Readiness } from './readiness.js';

/** For load balancers and Kubernetes: no API key, and no detail that would help an attacker. */
@NotForMfaGuard()
@Controller('healthz')
export class HealthController {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly readiness: Readiness,
  ) {}

  /** The process answers: restarting it would help nobody. */
  @Get('live')
  @Header('Cache-Control', 'no-store')
  live() {
    return { status: 'ok' };
  }

  /** 200 if requests should be sent here, otherwise 503. */
  @Get('ready')
  async ready(@Res() response: unknown): Promise<void> {
    const isReady = await this.readiness.isReady();
    const { httpAdapter } = this.adapterHost;
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    const body = { status: isReady ? 'ok' : 'unavailable' };
    httpAdapter.reply(response, body, isReady ? 200 : 503);
  }
}
