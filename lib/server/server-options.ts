import type { Sender } from './delivery/sender.interface.js';
import type { Channel } from './delivery/channel.js';
import type { SecurityOptions } from './security-options.js';

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
  database?: string;

  /**
   * Where browsers reach this server, without the module's `path`: start of
   * `qr_url`, `ez_url` and `instructions_url`.
   *
   * @default the address the application listens on
   */
  publicUrl?: string;

  /** Keys accepted besides those in the database. @default none */
  apiKeys?: RealmKey[];

  /**
   * Keys for the secrets in the database, newest first: the first encrypts,
   * all decrypt.
   *
   * @default a key file beside the SQLite file, made where there is none; a random one in memory
   */
  encryptionKeys?: EncryptionKey[];

  /** Name shown in authenticator apps and messages. @default `GAuthify` */
  issuer?: string;

  /**
   * Where the ezGAuth page sends a browser after a right code, by realm;
   * `?token=gat…` is added.
   *
   * @default none: the page shows the token
   */
  returnUrls?: Record<string, string>;

  /**
   * Origins that may frame the ezGAuth page (`frame-ancestors` of its CSP).
   * The instructions page may always be framed [contract].
   *
   * @default none
   */
  frameAncestors?: string[];

  /**
   * Whether `qr_url` goes on showing the secret after its first right code: for
   * sites that let people add a second device with it. Whoever finds the URL in
   * a log or a history then has the secret.
   *
   * @default false: it ends with 410
   */
  keepQrUrl?: boolean;

  /** Mail server (`smtp://…`, `smtps://…`) and sender address. @default e-mail goes to the outbox */
  smtp?: { url: string; from: string };

  /** Your own way to deliver a channel's codes. @default SMTP where set, else the outbox */
  senders?: Partial<Record<Channel, Sender>>;

  /** Numbers of the security design, each with its default. */
  security?: Partial<SecurityOptions>;

  /** The time, milliseconds since 1970. For tests. @default `Date.now` */
  now?: () => number;
}
