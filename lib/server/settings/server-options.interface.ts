import type { Channel } from '../../contract/channel.js';
import type { HttpGatewayOptions, TwilioOptions } from './delivery-options.js';
import type { EncryptionKey } from './encryption-keys.js';
import type { KeyProvider } from './key-provider.interface.js';
import type { MetricsOptions, RequestReport } from './observability-options.js';
import type { RealmKey } from './realm-key.js';
import type { SecurityOptions } from './security.options.js';
import type { SmtpOptions } from './smtp-options.js';
import type { Sender } from './sender.interface.js';

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

  /** Mail server and sender address. @default e-mail goes to the outbox */
  smtp?: SmtpOptions | undefined;

  /** SMS and calls by Twilio. @default both go to the outbox */
  twilio?: TwilioOptions | undefined;

  /** SMS by an HTTP gateway; with `twilio`, where that certainly did not send. @default none */
  smsHttp?: HttpGatewayOptions | undefined;

  /** Calls by an HTTP gateway, likewise. @default none */
  voiceHttp?: HttpGatewayOptions | undefined;

  /** Countries that SMS and calls may go to, ISO 3166-1 alpha-2; a realm may have its own. @default all */
  smsCountries?: string[] | undefined;

  /**
   * Custom delivery, by channel. Of several senders, the next one is asked where the
   * one before certainly did not send.
   *
   * @default what `smtp`, `twilio`, `smsHttp` and `voiceHttp` name, otherwise the outbox
   */
  senders?: { [Name in Channel]?: Sender | Sender[] | undefined } | undefined;

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

  /** Whether calls of clients of version 1.2 are answered, such as `GET users/{id}/check/{code}`; codes then stand in URLs, and so in logs. @default false */
  legacyRoutes?: boolean | undefined;

  /** Whether every change, and every code that was looked at, leaves a row in the audit log. @default true */
  audit?: boolean | undefined;

  /** The current time, milliseconds since 1970. For tests. @default `Date.now` */
  now?: (() => number) | undefined;
}
