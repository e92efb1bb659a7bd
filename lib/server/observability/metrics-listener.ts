import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Inject,
  Injectable,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { StartError } from '../settings/start-error.js';
import type { Metrics } from './metrics.js';
import { Observer } from './observer.js';

/** Answers `GET /metrics` on a port of its own, which the API's callers do not reach. */
@Injectable()
export class MetricsListener implements OnModuleInit, OnApplicationShutdown {
  /** Where the metrics are; `undefined` if no port is set. */
  url: string | undefined;
  private server: Server | undefined;

  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly observer: Observer,
  ) {}

  /** @throws StartError if the port cannot be opened */
  async onModuleInit(): Promise<void> {
    const { port, host = '127.0.0.1' } = this.settings.metrics ?? {};
    const { metrics } = this.observer;
    if (port === undefined || !metrics) return;
    const server = listenerOf(metrics);
    server.listen(port, host);
    await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
      throw new StartError(
        error.code === 'EADDRINUSE'
          ? `Option metrics.port: ${port} is in use: stop the program that listens there, or set another port`
          : `Option metrics.port: ${host} port ${port} cannot be opened (${error.code})`,
        { cause: error },
      );
    });
    const { address, port: actual } = server.address() as AddressInfo;
    const shown = address.includes(':') ? `[${address}]` : address;
    this.url = `http://${shown}:${actual}/metrics`;
    this.server = server;
  }

  /** Last: what happens while the server shuts down is still seen. */
  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}

function listenerOf({ registry }: Metrics): Server {
  return createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    const isKnown = path === '/metrics' && request.method === 'GET';
    if (!isKnown) {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) =>
        response
          .writeHead(200, {
            'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
          })
          .end(text),
      () => response.writeHead(500).end(),
    );
  });
}
