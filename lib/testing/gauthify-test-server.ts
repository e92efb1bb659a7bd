import { randomBytes } from 'node:crypto';
import type { INestApplication } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { OutboxMessage } from '../server/delivery/outbox.js';
import { missingPackage } from '../server/cli/missing-package.js';
import type { GAuthifyServerOptions } from '../server/settings/server.options.js';

/** Options of {@link GAuthifyTestServer.start}. */
export interface GAuthifyTestServerOptions extends Omit<
  GAuthifyServerOptions,
  'now'
> {
  /** Nest's HTTP adapter. @default a new `FastifyAdapter` */
  adapter?: AbstractHttpAdapter | undefined;
}

/**
 * A real GAuthify server for tests: HTTP on a free port of 127.0.0.1, a database
 * in memory, a clock that the test sets, and every message in an outbox.
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
    /** The Nest application of the server, for everything else. */
    readonly app: INestApplication,
    /** Base URL of the API; ends in `/v1/`. */
    readonly accessPoint: string,
    /** API key of the realm `test`. */
    readonly apiKey: string,
    private readonly clock: { offsetMs: number },
    private readonly loaded: LoadedServer,
  ) {}

  /**
   * Starts a server. Several can run at the same time, each with its own users.
   *
   * @throws Error naming the packages to install if one is missing
   */
  static async start({
    adapter,
    ...options
  }: GAuthifyTestServerOptions = {}): Promise<GAuthifyTestServer> {
    const loaded = await namingMissing(load);
    const { createFastifyAdapter, GAuthifyServerModule, NestFactory } = loaded;
    const clock = { offsetMs: 0 };
    const apiKey = randomBytes(20).toString('hex');
    const app = await NestFactory.create(
      GAuthifyServerModule.forRoot({
        ...options,
        database: options.database ?? 'sqlite::memory:',
        apiKeys: [{ realm: 'test', key: apiKey }, ...(options.apiKeys ?? [])],
        now: () => Date.now() + clock.offsetMs,
        standalone: true,
      }),
      adapter ?? (await namingMissing(createFastifyAdapter)),
      { logger: false, abortOnError: false },
    );
    await app.listen(0, '127.0.0.1');
    const accessPoint = `${await app.getUrl()}/v1/`;
    return new GAuthifyTestServer(app, accessPoint, apiKey, clock, loaded);
  }

  /** The server's time, milliseconds since 1970. */
  now(): number {
    return Date.now() + this.clock.offsetMs;
  }

  /** Moves the server's clock forward: codes expire, waits end. */
  advance(seconds: number): void {
    this.clock.offsetMs += seconds * 1000;
  }

  /**
   * The code an authenticator app shows for a secret.
   *
   * @param key the user's `key`, base32
   * @param stepsAhead 0 for the current step of the server's clock, 1 for the next
   */
  totp(key: string, stepsAhead = 0): string {
    const { Secret, stepAt, totpCode } = this.loaded;
    const secret = Buffer.from(Secret.fromBase32(key).buffer);
    return totpCode(secret, stepAt(this.now()) + stepsAhead);
  }

  /** The last 100 messages of each realm, newest first. */
  get outbox(): OutboxMessage[] {
    return this.app.get(this.loaded.Outbox).messages();
  }

  /** The code in the newest message, or in the newest one to `to`. @throws Error if there is none */
  lastCode(to?: string): string {
    const message = this.outbox.find(
      (candidate) => to === undefined || candidate.to === to,
    );
    const code = message && /\d(?:(?:, )?\d){5}/.exec(message.text)?.[0];
    if (!code) throw new Error(`No message${to ? ` to ${to}` : ''} was sent`);
    return code.replaceAll(', ', '');
  }

  /** Stops the server and deletes its users. */
  async close(): Promise<void> {
    await this.app.close();
  }
}

type LoadedServer = Awaited<ReturnType<typeof load>>;

/** Loads what needs peers of the package, so that an error can name a missing one. */
async function load() {
  const { NestFactory } = await import('@nestjs/core');
  const { Secret } = await import('otpauth');
  const { stepAt, totpCode } = await import('../server/factors/otp.js');
  const { Outbox } = await import('../server/delivery/outbox.js');
  const { createFastifyAdapter } =
    await import('../server/v1/fastify-adapter.js');
  const { GAuthifyServerModule } =
    await import('../server/gauthify-server.module.js');
  return {
    NestFactory,
    Secret,
    stepAt,
    totpCode,
    Outbox,
    createFastifyAdapter,
    GAuthifyServerModule,
  };
}

async function namingMissing<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const sentence = missingPackage(error, 'GAuthifyTestServer');
    throw sentence ? new Error(sentence, { cause: error }) : error;
  }
}
