import {
  checkEncryptionKeys,
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
import { checkKeyProvider } from './key-provider.interface.js';
import { checkDatabaseUrl, isPostgres } from './database-url.js';
import { checkIssuer } from './check-issuer.js';
import { checkUrl } from './check-url.js';
import { checkCountry } from './check-country.js';
import {
  checkHttpGateway,
  checkSenders,
  checkTwilio,
} from './delivery-options.js';
import { checkSmtp } from './smtp-options.js';
import {
  checkMetrics,
  type MetricsOptions,
  type RequestReport,
} from './observability-options.js';
import type {
  GAuthifyServerOptions,
  WhileLocked,
} from './server-options.interface.js';
import { refuseUnknown } from './refuse-unknown.js';
import { StartError } from './start-error.js';

export type { GAuthifyServerOptions, WhileLocked };

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
  readonly legacyRoutes: boolean;
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
  legacyRoutes: oneOf(false, true),
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
    legacyRoutes: options.legacyRoutes ?? false,
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
