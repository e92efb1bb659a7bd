import type { Server, ServerResponse } from 'node:http';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { STANDALONE } from '../settings/mount-path.js';
import { DATABASE, type Database } from '../store/database.js';
import { readScope } from '../store/idempotency-store.js';

/** How long the database has to answer. */
const TIMEOUT_MS = 1_000;
/** How long its answer counts: many probes are one statement. */
const CACHE_MS = 1_000;
/** How often connections are closed that have nothing more to answer, while the server closes. */
const SWEEP_MS = 50;

/** Whether requests should be sent to this instance. */
@Injectable()
export class Readiness implements OnModuleDestroy {
  private isDraining = false;
  private askedAt = -Infinity;
  private answer: Promise<boolean> = Promise.resolve(false);

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(DATABASE) private readonly database: Database,
    @Inject(STANDALONE) private readonly standalone: boolean,
  ) {}

  /**
   * Whether the database answers and no shutdown has begun. The database was
   * migrated before the server listened.
   */
  async isReady(): Promise<boolean> {
    if (this.isDraining) return false;
    const now = performance.now();
    if (now - this.askedAt >= CACHE_MS) {
      this.askedAt = now;
      this.answer = this.ask();
    }
    return (await this.answer) && !this.isDraining;
  }

  /**
   * From now on the instance is not ready. Requests that still arrive are
   * answered, and their connections closed, so that the next one goes elsewhere.
   */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    // The connections of another application are its own affair.
    if (!this.standalone) return;
    const server = this.adapterHost.httpAdapter.getHttpServer() as Server;
    server.prependListener('request', (_request, response: ServerResponse) => {
      response.shouldKeepAlive = false;
    });
    // Node would keep one that was in use for as long as the client likes.
    const sweep = setInterval(() => {
      if (!server.listening) server.closeIdleConnections();
    }, SWEEP_MS);
    server.once('close', () => clearInterval(sweep));
    sweep.unref();
  }

  /** The first step of Nest's shutdown, before the listener closes. */
  onModuleDestroy(): void {
    this.drain();
  }

  private async ask(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), TIMEOUT_MS);
    });
    // A table of ours, not a constant: the schema has to be there.
    const answered = readScope(this.database).then(
      () => true,
      () => false,
    );
    try {
      return await Promise.race([answered, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
