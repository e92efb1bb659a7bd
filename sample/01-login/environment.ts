import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type GAuthifyServerOptions,
  optionsFromEnvironment,
  StartError,
} from 'nestjs-gauthify/server';
import type { LimitOptions } from './accounts/limits.js';

/** This folder, with its views; the compiled program is elsewhere. */
export const SAMPLE_DIR = fileURLToPath(
  new URL('../../sample/01-login/', import.meta.url),
);

/** What the sample can be told. */
export interface SampleOptions {
  /** @default `127.0.0.1` */
  host: string;
  /** @default 3000 */
  port: number;
  /** Folder of both databases. @default `data` in this folder */
  dataDir: string;
  /** Mail server. @default none: e-mail goes to the outbox page */
  smtp?: GAuthifyServerOptions['smtp'];
  /** Limits of guessing. @default those of `accounts/limits.ts` */
  limits?: Partial<LimitOptions>;
  /** Cost of a password's hash: scrypt's N. Cheap ones are for tests. @default 16384 */
  passwordCost?: number;
  /** Time of the GAuthify server and the limits, milliseconds since 1970. For tests. @default `Date.now` */
  now?: () => number;
}

/**
 * The options from `HOST`, `PORT`, `DATA_DIR`, `SMTP_URL` and `MAIL_FROM`.
 *
 * @throws StartError naming the first wrong variable
 */
export function readEnvironment(env: NodeJS.ProcessEnv): SampleOptions {
  const { host, port, smtp } = optionsFromEnvironment({
    HOST: env.HOST,
    PORT: env.PORT || '3000',
    // Not used here. It would be made of HOST, and a wrong HOST blamed on it.
    PUBLIC_URL: 'http://localhost',
    SMTP_URL: env.SMTP_URL,
    MAIL_FROM: env.MAIL_FROM,
  });
  if (port === 0)
    throw new StartError('PORT must be a number from 1 to 65535, but is 0');
  if (!URL.canParse(urlOf({ host, port })))
    throw new StartError(
      `HOST must be an address or a name of this machine, but is "${host}"`,
    );
  const dataDir = resolve(env.DATA_DIR || join(SAMPLE_DIR, 'data'));
  return { host, port, dataDir, smtp };
}

/** Where this machine reaches the sample. */
export function urlOf({
  host,
  port,
}: Pick<SampleOptions, 'host' | 'port'>): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (host === '::') return `http://[::1]:${port}`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
