import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { GAuthifyService } from 'nestjs-gauthify';
import { Secret, TOTP } from 'otpauth';
import type { SampleOptions } from '../../sample/01-login/environment.js';
import { createApp } from '../../sample/01-login/create-app.js';
import { Visitor } from './visitor.js';

/** The sample on a free port, with data in a folder of its own and a clock that is turned by hand. */
export class RunningSample {
  private offsetMs = 0;

  private constructor(
    readonly dataDir: string,
    readonly port: number,
    private app: INestApplication,
    private readonly options: Partial<SampleOptions>,
  ) {}

  /** Hashes passwords cheaply, and is patient with many accounts, unless told otherwise. */
  static async start(
    options: Partial<SampleOptions> = {
      passwordCost: 2 ** 4,
      limits: { registrationsPerAddress: { times: 1000, seconds: 3600 } },
    },
  ): Promise<RunningSample> {
    const dataDir = mkdtempSync(join(tmpdir(), 'gauthify-sample-'));
    const port = await freePort();
    const sample = new RunningSample(dataDir, port, undefined!, options);
    await sample.open();
    return sample;
  }

  get gauthify(): GAuthifyService {
    return this.app.get(GAuthifyService, { strict: false });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  visitor(): Visitor {
    return new Visitor(this.url);
  }

  now(): number {
    return Date.now() + this.offsetMs;
  }

  /** Turns the clock of the GAuthify server and the limits forward: to a code that was not used, past a wait. */
  advance(seconds: number): void {
    this.offsetMs += seconds * 1000;
  }

  /** What an authenticator app shows now. */
  totp(key: string): string {
    const secret = Secret.fromBase32(key.replaceAll(' ', ''));
    return new TOTP({ secret }).generate({ timestamp: this.now() });
  }

  /** Stops it, and starts it again with what is on disk. */
  async restart(whileDown: () => void = () => {}): Promise<void> {
    await this.app.close();
    whileDown();
    await this.open();
  }

  async stop(): Promise<void> {
    await this.app.close();
    rmSync(this.dataDir, { recursive: true });
  }

  private async open(): Promise<void> {
    const { dataDir, port } = this;
    const host = '127.0.0.1';
    const now = () => this.now();
    this.app = await createApp({ host, port, dataDir, now, ...this.options });
    await this.app.listen(port, host);
  }
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
