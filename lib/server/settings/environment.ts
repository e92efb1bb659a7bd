import { sqliteFile } from './sqlite-file.js';
import { parseEncryptionKeys } from './parse-encryption-keys.js';
import type {
  GAuthifyServerOptions,
  RealmKey,
  WhileLocked,
} from './server-options.js';
import { settingsOf } from './settings.js';
import { StartError } from './start-error.js';

/** Where the program listens. */
export interface ListenOptions {
  host: string;
  port: number;
}

/** An environment, as `process.env`. An empty value counts as none. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The options of the server from environment variables, as the README lists them.
 *
 * @throws StartError naming the first wrong variable; never with a key in it
 */
export function optionsFromEnvironment(
  env: Environment,
): GAuthifyServerOptions & ListenOptions {
  const host = env.HOST || '127.0.0.1';
  const port = parsePort(env.PORT || '4000');
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const options = {
    host,
    port,
    database: env.DATABASE_URL || 'sqlite:gauthify.sqlite',
    publicUrl:
      env.PUBLIC_URL ||
      (port === 0 ? undefined : `http://${shownHost}:${port}`),
    apiKeys: parseApiKeys(env.GAUTHIFY_API_KEYS || ''),
    encryptionKeys: env.GAUTHIFY_ENCRYPTION_KEYS
      ? parseEncryptionKeys(
          env.GAUTHIFY_ENCRYPTION_KEYS,
          'GAUTHIFY_ENCRYPTION_KEYS',
        )
      : undefined,
    issuer: env.GAUTHIFY_ISSUER || 'GAuthify',
    returnUrls: parseReturnUrls(env.GAUTHIFY_RETURN_URLS || ''),
    frameAncestors: list(env.GAUTHIFY_FRAME_ANCESTORS || ''),
    keepQrUrl: parseBoolean(env, 'GAUTHIFY_KEEP_QR_URL'),
    smtp: parseSmtp(env),
    // Checked below.
    whileLocked: (env.GAUTHIFY_WHILE_LOCKED || 'error') as WhileLocked,
  };
  settingsOf(options);
  sqliteFile(options.database);
  return options;
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function parseBoolean(env: Environment, name: string): boolean {
  const text = env[name] || 'false';
  if (text !== 'true' && text !== 'false')
    throw new StartError(`${name} must be true or false, but is "${text}"`);
  return text === 'true';
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65535))
    throw new StartError(
      `PORT must be a number from 0 to 65535, but is "${text}"`,
    );
  return port;
}

function parseApiKeys(text: string): RealmKey[] {
  return list(text).map((entry) => {
    const colon = entry.indexOf(':');
    if (colon < 1)
      throw new StartError(
        'GAUTHIFY_API_KEYS must be realm:key entries separated by commas',
      );
    return { realm: entry.slice(0, colon), key: entry.slice(colon + 1) };
  });
}

function parseReturnUrls(text: string): Record<string, string> {
  return Object.fromEntries(
    list(text).map((entry) => {
      const equals = entry.indexOf('=');
      if (equals < 1)
        throw new StartError(
          'GAUTHIFY_RETURN_URLS must be realm=url entries separated by commas',
        );
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

function parseSmtp(env: Environment): GAuthifyServerOptions['smtp'] {
  const { SMTP_URL: url, MAIL_FROM: from } = env;
  if (!url && !from) return undefined;
  if (!url) throw new StartError('MAIL_FROM needs SMTP_URL beside it');
  if (!URL.canParse(url) || !/^smtps?:$/.test(new URL(url).protocol))
    throw new StartError(
      'SMTP_URL must be an smtp:// or smtps:// URL (its value is not shown: it may hold a password)',
    );
  if (!from)
    throw new StartError(
      'SMTP_URL needs MAIL_FROM beside it: the address that codes are sent from',
    );
  if (!/^[^\r\n@]+@[^\r\n@]+$/.test(from))
    throw new StartError(
      `MAIL_FROM must be an e-mail address, but is "${from}"`,
    );
  return { url, from };
}
