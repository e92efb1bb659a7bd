import type { ServerResponse } from 'node:http';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { MOUNT_PATH } from '../settings/mount-path.js';
import type { RequestReport } from '../settings/observability-options.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { Observer } from './observer.js';
import { noteAnswer, type ObservedRequest } from './observed-request.js';

/** nginx's status for a client that closed the connection before it had the answer. */
const CLIENT_CLOSED_REQUEST = 499;

/** Observes requests from their headers to the end of their answers, on Express and Fastify alike. */
@Injectable()
export class RequestObserver implements OnModuleInit {
  private readonly healthPath: string;
  private readonly isOn: boolean;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly observer: Observer,
    @Inject(MOUNT_PATH) private readonly mountPath: string,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {
    this.healthPath = `${mountPath}/healthz/`;
    this.isOn = Boolean(
      observer.metrics ?? observer.tracing ?? settings.onRequest,
    );
  }

  onModuleInit(): void {
    if (!this.isOn) return;
    // Every answer of Nest goes through here: no other place knows both the answer and its request.
    const { httpAdapter } = this.adapterHost;
    const reply = httpAdapter.reply.bind(httpAdapter);
    httpAdapter.reply = (
      response: { raw?: ServerResponse },
      body: unknown,
      status?: number,
    ) => {
      noteAnswer((response.raw ?? response) as ServerResponse, body);
      return reply(response, body, status) as unknown;
    };
  }

  /** Observes a request of this server, before its URL is changed. */
  begin(request: ObservedRequest, response: ServerResponse): void {
    // Asked every few seconds: would hide what matters.
    if (!this.isOn || request.url?.startsWith(this.healthPath)) return;
    const method = methodOf(request);
    const span = this.observer.tracing?.request(method, request.headers);
    const { metrics } = this.observer;
    const { onRequest } = this.settings;
    if (!span && !metrics && !onRequest) return;
    request.gauthifyObserved = { run: span?.run };
    const startedAt = performance.now();
    response.once('close', () => {
      const durationMs = performance.now() - startedAt;
      const report = this.reportOf(request, response, method, durationMs);
      span?.end(report);
      metrics?.request(report);
      try {
        onRequest?.(report);
      } catch {
        // A log that fails must not end the process.
      }
    });
  }

  private reportOf(
    { gauthifyRoute, gauthifyRealm, gauthifyObserved }: ObservedRequest,
    { statusCode, writableFinished }: ServerResponse,
    method: string,
    durationMs: number,
  ): RequestReport {
    return {
      requestId: gauthifyObserved?.requestId,
      realm: gauthifyRealm,
      method,
      route:
        gauthifyRoute === undefined
          ? 'unmatched'
          : `${this.mountPath}/${gauthifyRoute}`,
      status: writableFinished ? statusCode : CLIENT_CLOSED_REQUEST,
      errorCode: gauthifyObserved?.errorCode,
      durationMs,
    };
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];

/** The method, or `_OTHER`: Node knows some forty, and a caller chooses [OpenTelemetry's name for it]. */
function methodOf({ method = '' }: ObservedRequest): string {
  return METHODS.includes(method) ? method : '_OTHER';
}
