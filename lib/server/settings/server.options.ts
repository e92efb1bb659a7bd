import { type Channel, CHANNELS } from '../../contract/channel.js';
import { refuseUnknownOptions } from '../../contract/known-options.js';
import { type EncryptionKey, checkEncryptionKeys } from './encryption-keys.js';
import {
  checkSecurityOptions,
  type SecurityOptions,
} from './security.options.js';
import type { Sender } from './sender.interface.js';
import { checkDatabaseUrl, isPostgres } from './database-url.js';
import { StartError } from './start-error.js';

/** Values of {@link GAuthifyServerOptions.whileLocked}. */
export type WhileLocked = 'error' | 'false';

/** An API key, and the realm (tenant) whose users it gives access to. */
export interface RealmKey {
  /** 1–64 of `a-z A-Z 0-9 _ . -`. */
  realm: string;
  /** 16–255 printable ASCII characters without spaces. A realm may have several keys, so that they can be rotated. */
  key: string;
}

/** Options of `GAuthifyServerModule`. */
export interface GAuthifyServerOptions {
  /**
   * Where users are stored: `sqlite:<file>`, `sqlite::memory:`, or
   * `postgres://<user>:<password>@<host>/<database>`, with `sslmode` and the other
   * parameters of `pg`.
   *
   * @default `sqlite:gauthify.sqlite`
   */
  database?: string | undefined;

  /**
   * The URL at which browsers reach this server, without the module's `path`:
   * `qr_url`, `ez_url` and `instructions_url` start with it.
   *
   * @default the address the application listens on
   */
  publicUrl?: string | undefined;

  /** API keys accepted in addition to those in the database. @default none */
  apiKeys?: RealmKey[] | undefined;

  /**
   * Keys for the secrets in the database, newest first: the first one encrypts,
   * all of them decrypt.
   *
   * @default a key file beside the SQLite file, created if there is none; a random key for a database in memory; required with PostgreSQL
   */
  encryptionKeys?: EncryptionKey[] | undefined;

  /** Name shown in authenticator apps and messages. @default `GAuthify` */
  issuer?: string | undefined;

  /**
   * The URL to which the ezGAuth page redirects the browser after a right code,
   * by realm; `?token=gat…` is added.
   *
   * @default none: the page shows the token
   */
  returnUrls?: Record<string, string> | undefined;

  /**
   * Origins that may frame the ezGAuth page (`frame-ancestors` of its CSP).
   * The instructions page may always be framed [contract].
   *
   * @default none
   */
  frameAncestors?: string[] | undefined;

  /**
   * Whether `qr_url` still shows the secret after its first right code, for sites
   * that let people add a second device. Anyone who then finds the URL in a log
   * or a browser history has the secret.
   *
   * @default false: `qr_url` answers 410
   */
  keepQrUrl?: boolean | undefined;

  /** Mail server (`smtp://…`, `smtps://…`) and sender address. @default e-mail goes to the outbox */
  smtp?: { url: string; from: string } | undefined;

  /** Custom delivery, by channel. @default SMTP for e-mail if `smtp` is set, otherwise the outbox */
  senders?: { [Name in Channel]?: Sender | undefined } | undefined;

  /**
   * What `check/` answers while a user has to wait or is locked: `error` is a 402,
   * `false` is `authenticated: false`. Neither looks at the code, and the wait is
   * the same. Choose `false` for old clients with `safe_mode`: they take any
   * error for an outage and let the user in.
   *
   * @default `error`
   */
  whileLocked?: WhileLocked | undefined;

  /** Limits, windows and lifetimes; see {@link SecurityOptions} for the defaults. */
  security?:
    | { [Name in keyof SecurityOptions]?: SecurityOptions[Name] | undefined }
    | undefined;

  /** The current time, milliseconds since 1970. For tests. @default `Date.now` */
  now?: (() => number) | undefined;
}

/** {@link GAuthifyServerOptions}, checked, with every default filled in. */
export interface ServerSettings {
  readonly database: string;
  /** Without a trailing slash; `undefined`: the address the application listens on. */
  readonly publicUrl: string | undefined;
  readonly apiKeys: readonly RealmKey[];
  readonly issuer: string;
  readonly returnUrls: ReadonlyMap<string, string>;
  readonly frameAncestors: readonly string[];
  readonly whileLocked: WhileLocked;
  readonly keepQrUrl: boolean;
  readonly security: Readonly<SecurityOptions>;
}

/** Injection token of the {@link ServerSettings}. */
export const SERVER_SETTINGS = Symbol('GAUTHIFY_SERVER_SETTINGS');

/** Every option, with the name by which messages call it: its environment variable first, if it has one. */
const NAMES = {
  database: 'DATABASE_URL (option database)',
  publicUrl: 'PUBLIC_URL (option publicUrl)',
  apiKeys: 'GAUTHIFY_API_KEYS (option apiKeys)',
  encryptionKeys: 'GAUTHIFY_ENCRYPTION_KEYS (option encryptionKeys)',
  issuer: 'GAUTHIFY_ISSUER (option issuer)',
  returnUrls: 'GAUTHIFY_RETURN_URLS (option returnUrls)',
  frameAncestors: 'GAUTHIFY_FRAME_ANCESTORS (option frameAncestors)',
  keepQrUrl: 'GAUTHIFY_KEEP_QR_URL (option keepQrUrl)',
  smtp: 'Option smtp',
  senders: 'Option senders',
  whileLocked: 'GAUTHIFY_WHILE_LOCKED (option whileLocked)',
  security: 'Option security',
  now: 'Option now',
} satisfies Record<keyof GAuthifyServerOptions, string>;

/**
 * Checks the options and fills in the defaults.
 *
 * @throws StartError naming the first option that is unknown or wrong
 */
export function settingsOf(options: GAuthifyServerOptions): ServerSettings {
  refuseUnknown(options, Object.keys(NAMES));
  refuseUnknown(options.smtp ?? {}, ['url', 'from'], 'smtp');
  refuseUnknown(options.senders ?? {}, CHANNELS, 'senders');
  const database = options.database ?? 'sqlite:gauthify.sqlite';
  checkDatabaseUrl(database);
  if (isPostgres(database) && !options.encryptionKeys?.length)
    throw new StartError(
      `${NAMES.encryptionKeys} is missing: with PostgreSQL, all instances need the same keys, and no key file is made. Make one with: echo "k1:$(openssl rand -base64 32)"`,
    );
  if (options.encryptionKeys)
    checkEncryptionKeys(options.encryptionKeys, NAMES.encryptionKeys);
  if (options.smtp) checkSmtp(options.smtp);
  return Object.freeze({
    database,
    publicUrl:
      options.publicUrl === undefined
        ? undefined
        : checkUrl(options.publicUrl, NAMES.publicUrl, false).href.replace(
            /\/+$/,
            '',
          ),
    apiKeys: (options.apiKeys ?? []).map(checkApiKey),
    issuer: checkIssuer(options.issuer ?? 'GAuthify'),
    returnUrls: new Map(
      Object.entries(options.returnUrls ?? {}).map(([realm, url]) => [
        realm,
        checkUrl(url, `GAUTHIFY_RETURN_URLS (option returnUrls.${realm})`).href,
      ]),
    ),
    frameAncestors: (options.frameAncestors ?? []).map(
      (origin) => checkUrl(origin, NAMES.frameAncestors).origin,
    ),
    whileLocked: oneOf('whileLocked', ['error', 'false'], options.whileLocked),
    keepQrUrl: oneOf('keepQrUrl', [false, true], options.keepQrUrl),
    security: checkSecurityOptions(options.security ?? {}),
  });
}

function refuseUnknown(
  given: object,
  known: readonly string[],
  path?: string,
): void {
  const fail = (name: string, problem: string) =>
    new StartError(
      name === 'path' || name === 'standalone'
        ? `Option ${name} must stand beside useFactory, not in what it returns`
        : `Option ${name}: ${problem}`,
    );
  refuseUnknownOptions(given, known, fail, path);
}

/** The value, or the first of the allowed ones if there is none. */
function oneOf<T extends string | boolean>(
  name: keyof typeof NAMES,
  allowed: readonly [T, T],
  value: T = allowed[0],
): T {
  if (allowed.includes(value)) return value;
  const names = allowed.map((one) => JSON.stringify(one)).join(' or ');
  throw new StartError(
    `${NAMES[name]} must be ${names}, but is ${JSON.stringify(value)}`,
  );
}

function checkUrl(value: string, name: string, mayHaveQuery = true): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.username || url?.password)
    throw new StartError(`${name} must not hold a user name or password`);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new StartError(
      `${name} must be an http or https URL, but is "${value}"`,
    );
  if (url.hash || (!mayHaveQuery && url.search))
    throw new StartError(
      `${name} must have no ${mayHaveQuery ? '' : 'query or '}fragment, but is "${value}"`,
    );
  return url;
}

function checkApiKey({ realm, key }: RealmKey, index: number): RealmKey {
  if (!/^[\w.-]{1,64}$/.test(realm))
    throw new StartError(
      `${NAMES.apiKeys}: the realm of entry ${index + 1} must be 1 to 64 letters, digits, "_", "." or "-"`,
    );
  if (!/^[!-~]{16,255}$/.test(key))
    throw new StartError(
      `${NAMES.apiKeys}: the key of entry ${index + 1} must be 16 to 255 printable ASCII characters without spaces`,
    );
  return { realm, key };
}

function checkIssuer(issuer: string): string {
  // A colon separates issuer and account in the otpauth:// label [Key URI Format].
  if (!/^[^:\p{Cc}]{1,64}$/u.test(issuer) || issuer.trim() !== issuer)
    throw new StartError(
      `${NAMES.issuer} must be 1 to 64 characters without a colon, a control character or surrounding spaces, but is ${JSON.stringify(issuer)}`,
    );
  return issuer;
}

function checkSmtp({ url, from }: { url: string; from: string }): void {
  if (!URL.canParse(url) || !/^smtps?:$/.test(new URL(url).protocol))
    throw new StartError(
      'SMTP_URL (option smtp.url) must be an smtp:// or smtps:// URL (its value is not shown: it may hold a password)',
    );
  if (!/^[^\r\n@]+@[^\r\n@]+$/.test(from))
    throw new StartError(
      `MAIL_FROM (option smtp.from) must be an e-mail address, but is ${JSON.stringify(from)}`,
    );
}
