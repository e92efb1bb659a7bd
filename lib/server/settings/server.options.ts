import type { Channel } from '../../contract/channel.js';
import {
  checkEncryptionKeys,
  type EncryptionKey,
  encryptionKeysMissing,
} from './encryption-keys.js';
import {
  arrayOf,
  checkTypes,
  isObject,
  kindOf,
  objectLike,
  oneOf,
  type OptionType,
  TEXT,
} from './option-type.js';
import { checkRealmKey, type RealmKey } from './realm-key.js';
import type { Clock } from './clock.js';
import {
  checkSecurityOptions,
  type SecurityOptions,
} from './security.options.js';
import {
  checkKeyProvider,
  type KeyProvider,
} from './key-provider.interface.js';
import type { Sender } from './sender.interface.js';
import { checkDatabaseUrl, isPostgres } from './database-url.js';
import { checkIssuer } from './check-issuer.js';
import { checkUrl } from './check-url.js';
import { checkCountry } from './check-country.js';
import {
  checkHttpGateway,
  checkSenders,
  checkSmtp,
  checkTwilio,
  type HttpGatewayOptions,
  type TwilioOptions,
} from './delivery-options.js';
import {
  checkMetrics,
  type MetricsOptions,
  type RequestReport,
} from './observability-options.js';
import { refuseUnknown } from './refuse-unknown.js';
import { StartError } from './start-error.js';

/** Values of {@link GAuthifyServerOptions.whileLocked}. */
export type WhileLocked = 'error' | 'false';

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
   * Keys that encrypt the data keys of the database, newest first: the first one
   * encrypts, all of them decrypt.
   *
   * @default a key file beside the SQLite file, created if there is none; a random key for a database in memory; required with PostgreSQL
   */
  encryptionKeys?: EncryptionKey[] | undefined;

  /**
   * Encrypts the data keys, in place of `encryptionKeys`: for a KMS or an HSM.
   *
   * @default the encryption keys
   */
  keyProvider?: KeyProvider | undefined;

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

  /** SMS and calls by Twilio. @default both go to the outbox */
  twilio?: TwilioOptions | undefined;

  /** SMS by an HTTP gateway; with `twilio`, where that certainly did not send. @default none */
  smsHttp?: HttpGatewayOptions | undefined;

  /** Calls by an HTTP gateway, likewise. @default none */
  voiceHttp?: HttpGatewayOptions | undefined;

  /** Countries that SMS and calls may go to, ISO 3166-1 alpha-2; a realm may have its own. @default all */
  smsCountries?: string[] | undefined;

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

  /** Prometheus metrics, by the package `prom-client`. @default none */
  metrics?: MetricsOptions | undefined;

  /**
   * Called once for each request that ended, for an access log. What it throws is
   * ignored.
   *
   * @default none
   */
  onRequest?: ((report: RequestReport) => void) | undefined;

  /** Limits, windows and lifetimes; see {@link SecurityOptions} for the defaults. */
  security?:
    | { [Name in keyof SecurityOptions]?: SecurityOptions[Name] | undefined }
    | undefined;

  /** Whether every change, and every code that was looked at, leaves a row in the audit log. @default true */
  audit?: boolean | undefined;

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
  readonly smsCountries: readonly string[] | undefined;
  readonly whileLocked: WhileLocked;
  readonly keepQrUrl: boolean;
  readonly audit: boolean;
  readonly metrics: Readonly<MetricsOptions> | undefined;
  readonly onRequest: ((report: RequestReport) => void) | undefined;
  readonly security: Readonly<SecurityOptions>;
  readonly now: Clock;
}

/** Injection token of the {@link ServerSettings}. */
export const SERVER_SETTINGS = Symbol('GAUTHIFY_SERVER_SETTINGS');

/** Every option, with its type. */
const TYPES: Record<keyof GAuthifyServerOptions, OptionType> = {
  database: { ...TEXT, isSecret: true },
  publicUrl: TEXT,
  apiKeys: arrayOf('{ realm, key }', true),
  encryptionKeys: arrayOf('{ id, key }', true),
  keyProvider: objectLike('{ currentKeyId, wrap, unwrap }'),
  issuer: TEXT,
  returnUrls: objectLike('with a URL for each realm'),
  frameAncestors: arrayOf('origins'),
  keepQrUrl: oneOf(false, true),
  audit: oneOf(false, true),
  smtp: objectLike('{ url, from }', true),
  twilio: objectLike('{ accountSid, authToken, from }', true),
  smsHttp: objectLike('{ url, method, headers, body }', true),
  voiceHttp: objectLike('{ url, method, headers, body }', true),
  smsCountries: arrayOf('countries such as DE'),
  senders: objectLike('with a sender for each channel'),
  whileLocked: oneOf('error', 'false'),
  metrics: objectLike('such as { port: 9464 }'),
  onRequest: {
    matches: (value) => typeof value === 'function',
    description: 'a function that takes a RequestReport',
  },
  security: objectLike('such as { freeAttempts: 3 }'),
  now: {
    matches: (value) => typeof value === 'function',
    description: 'a function that returns milliseconds since 1970',
  },
};

/**
 * Checks the options and fills in the defaults.
 *
 * @throws StartError naming the first option that is unknown or wrong
 */
export function settingsOf(options: GAuthifyServerOptions): ServerSettings {
  checkObject(options);
  refuseUnknown(options, Object.keys(TYPES));
  checkTypes<GAuthifyServerOptions>(options, TYPES);
  checkSenders(options.senders ?? {});
  if (options.keyProvider) checkKeyProvider(options.keyProvider);
  const database = options.database ?? 'sqlite:gauthify.sqlite';
  checkDatabaseUrl(database);
  if (options.encryptionKeys?.length)
    checkEncryptionKeys(options.encryptionKeys, 'Option encryptionKeys');
  else if (isPostgres(database) && !options.keyProvider)
    throw encryptionKeysMissing();
  if (options.smtp) checkSmtp(options.smtp);
  if (options.twilio) checkTwilio(options.twilio);
  if (options.smsHttp) checkHttpGateway(options.smsHttp, 'smsHttp');
  if (options.voiceHttp) checkHttpGateway(options.voiceHttp, 'voiceHttp');
  return Object.freeze({
    database,
    publicUrl:
      options.publicUrl === undefined
        ? undefined
        : checkUrl(options.publicUrl, 'Option publicUrl', false).href.replace(
            /\/+$/,
            '',
          ),
    apiKeys: (options.apiKeys ?? []).map(checkRealmKey),
    issuer: checkIssuer(options.issuer ?? 'GAuthify', 'Option issuer'),
    returnUrls: new Map(
      Object.entries(options.returnUrls ?? {}).map(([realm, url]) => [
        realm,
        checkUrl(url, `Option returnUrls: the URL of realm ${realm}`).href,
      ]),
    ),
    frameAncestors: (options.frameAncestors ?? []).map(
      (origin) => checkUrl(origin, 'Option frameAncestors').origin,
    ),
    smsCountries: options.smsCountries?.map((country) =>
      checkCountry(country, 'Option smsCountries'),
    ),
    whileLocked: options.whileLocked ?? 'error',
    keepQrUrl: options.keepQrUrl ?? false,
    audit: options.audit ?? true,
    metrics: options.metrics && checkMetrics(options.metrics),
    onRequest: options.onRequest,
    security: checkSecurityOptions(options.security ?? {}),
    now: options.now ?? Date.now,
  });
}

function checkObject(options: unknown): void {
  if (isObject(options)) return;
  throw new StartError(
    `The options of GAuthifyServerModule must be an object, but are ${kindOf(options)}: return one from useFactory, {} for the defaults`,
  );
}
