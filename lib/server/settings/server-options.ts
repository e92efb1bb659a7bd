import type { Sender } from './sender.interface.js';
import type { Channel } from '../../contract/channel.js';
import type { SecurityOptions } from './security-options.js';

/** Values of {@link GAuthifyServerOptions.whileLocked}. */
export type WhileLocked = 'error' | 'false';

/** An API key and the realm (tenant) whose users it reaches. */
export interface RealmKey {
  /** 1–64 of `a-z A-Z 0-9 _ . -`. */
  realm: string;
  /** 16–255 printable ASCII characters without spaces. Several of one realm are all accepted, so that keys can be rotated. */
  key: string;
}

/** A key that encrypts secrets in the database. */
export interface EncryptionKey {
  /** 1–32 of `a-z A-Z 0-9 _ -`; stored beside what the key encrypted. */
  id: string;
  /** 32 bytes, base64. */
  key: string;
}

/** Options of `GAuthifyServerModule`. */
export interface GAuthifyServerOptions {
  /**
   * Where users are kept: `sqlite:<file>`, or `sqlite::memory:`.
   *
   * @default `sqlite:gauthify.sqlite`
   */
  database?: string | undefined;

  /**
   * Where browsers reach this server, without the module's `path`: start of
   * `qr_url`, `ez_url` and `instructions_url`.
   *
   * @default the address the application listens on
   */
  publicUrl?: string | undefined;

  /** Keys accepted besides those in the database. @default none */
  apiKeys?: RealmKey[] | undefined;

  /**
   * Keys for the secrets in the database, newest first: the first encrypts,
   * all decrypt.
   *
   * @default a key file beside the SQLite file, made where there is none; a random one in memory
   */
  encryptionKeys?: EncryptionKey[] | undefined;

  /** Name shown in authenticator apps and messages. @default `GAuthify` */
  issuer?: string | undefined;

  /**
   * Where the ezGAuth page sends a browser after a right code, by realm;
   * `?token=gat…` is added.
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
   * Whether `qr_url` goes on showing the secret after its first right code: for
   * sites that let people add a second device with it. Whoever finds the URL in
   * a log or a history then has the secret.
   *
   * @default false: it ends with 410
   */
  keepQrUrl?: boolean;

  /** Mail server (`smtp://…`, `smtps://…`) and sender address. @default e-mail goes to the outbox */
  smtp?: { url: string; from: string } | undefined;

  /** Your own way to deliver a channel's codes. @default SMTP where set, else the outbox */
  senders?: { [Name in Channel]?: Sender | undefined } | undefined;

  /**
   * What `check/` answers while a user has to wait, or is locked: a 402, or
   * `authenticated: false` without looking at the code. Old clients with
   * `safe_mode` take any error for an outage and let the user in: for their
   * sake, `false`. Of no effect on the waiting itself.
   *
   * @default `error`
   */
  whileLocked?: WhileLocked;

  /** Numbers of the security design, each with its default. */
  security?:
    | { [Name in keyof SecurityOptions]?: SecurityOptions[Name] | undefined }
    | undefined;

  /** The time, milliseconds since 1970. For tests. @default `Date.now` */
  now?: (() => number) | undefined;
}
