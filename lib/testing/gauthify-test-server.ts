import { randomBytes } from 'node:crypto';
import type { INestApplication } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { Secret } from 'otpauth';
import { stepAt, totpCode } from '../server/codes/otp.js';
import { Outbox, type OutboxMessage } from '../server/delivery/outbox.js';
import { createFastifyAdapter } from '../server/fastify-adapter.js';
import { GAuthifyServerModule } from '../server/gauthify-server.module.js';
import type { GAuthifyServerOptions } from '../server/server-options.js';

/** Options of {@link GAuthifyTestServer.start}. */
export interface GAuthifyTestServerOptions extends Omit<
  GAuthifyServerOptions,
  'now'
> {
  /** Nest's HTTP adapter. @default a new `FastifyAdapter` */
  adapter?: AbstractHttpAdapter | undefined;
}

/**
 * A real GAuthify server for the tests of whoever uses GAuthify: HTTP on a free
 * port of 127.0.0.1, a database in memory, a clock that is turned by hand, and
 * every message in an outbox.
 *
 * @example
 * const gauthify = await GAuthifyTestServer.start();
 * GAuthifyModule.forRoot({ apiKey: gauthify.apiKey, accessPoints: [gauthify.accessPoint] });
 * // … enrol, then
 * gauthify.totp(user.key); // the code the user's authenticator shows now
 * await gauthify.close();
 */
export class GAuthifyTestServer {
  private constructor(
    /** The server's application, for what is not here. */
    readonly app: INestApplication,
    /** Ends in `/v1/`. */
    readonly accessPoint: string,
    /** Of the realm `test`. */
    readonly apiKey: string,
    private readonly clock: { offsetMs: number },
  ) {}

  /** Starts a server. Several run side by side, each with its own users. */
  static async start({
    adapter,
    ...options
  }: GAuthifyTestServerOptions = {}): Promise<GAuthifyTestServer> {
    const clock = { offsetMs: 0 };
    const apiKey = randomBytes(20).toString('hex');
    const app = await NestFactory.create(
      GAuthifyServerModule.forRoot({
        ...options,
        database: options.database ?? 'sqlite::memory:',
        apiKeys: [{ realm: 'test', key: apiKey }, ...(options.apiKeys ?? [])],
        now: () => Date.now() + clock.offsetMs,
      }),
      adapter ?? (await createFastifyAdapter()),
      { logger: false, abortOnError: false },
    );
    await app.listen(0, '127.0.0.1');
    const accessPoint = `${await app.getUrl()}/v1/`;
    return new GAuthifyTestServer(app, accessPoint, apiKey, clock);
  }

  /** The server's time, milliseconds since 1970. */
  now(): number {
    return Date.now() + this.clock.offsetMs;
  }

  /** Turns the server's clock forward: codes expire, waits end. */
  advance(seconds: number): void {
    this.clock.offsetMs += seconds * 1000;
  }

  /**
   * The code an authenticator app shows for a secret.
   *
   * @param key the user's `key`, base32
   * @param stepsAhead 0: now, by the server's clock; 1: the one after that
   */
  totp(key: string, stepsAhead = 0): string {
    const secret = Buffer.from(Secret.fromBase32(key).buffer);
    return totpCode(secret, stepAt(this.now()) + stepsAhead);
  }

  /** The messages sent so far, newest first. */
  get outbox(): OutboxMessage[] {
    return this.app.get(Outbox).messages();
  }

  /** The code in the newest message, or in the newest to `to`. */
  lastCode(to?: string): string {
    const message = this.outbox.find(
      (candidate) => to === undefined || candidate.to === to,
    );
    const code = message && /\d(?:(?:, )?\d){5}/.exec(message.text)?.[0];
    if (!code) throw new Error(`No message${to ? ` to ${to}` : ''} was sent`);
    return code.replaceAll(', ', '');
  }

  /** Stops the server and forgets its users. */
  async close(): Promise<void> {
    await this.app.close();
  }
}
