import { SECURITY_DEFAULTS, type SecurityOptions } from './security-options.js';
import type {
  GAuthifyServerOptions,
  RealmKey,
  WhileLocked,
} from './server-options.js';
import { StartError } from './start-error.js';

/** {@link GAuthifyServerOptions}, checked, with every default in place. */
export interface ServerSettings {
  readonly database: string;
  /** Without a slash at the end; `undefined`: the address the application listens on. */
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

/**
 * Checks the options.
 *
 * @throws StartError naming the first wrong one, by its environment variable where it has one
 */
export function settingsOf(options: GAuthifyServerOptions): ServerSettings {
  return Object.freeze({
    database: options.database ?? 'sqlite:gauthify.sqlite',
    publicUrl:
      options.publicUrl === undefined
        ? undefined
        : checkUrl(
            options.publicUrl,
            'PUBLIC_URL (option publicUrl)',
          ).href.replace(/\/+$/, ''),
    apiKeys: (options.apiKeys ?? []).map(checkApiKey),
    issuer: checkIssuer(options.issuer ?? 'GAuthify'),
    returnUrls: new Map(
      Object.entries(options.returnUrls ?? {}).map(([realm, url]) => [
        realm,
        checkUrl(url, `GAUTHIFY_RETURN_URLS (option returnUrls.${realm})`).href,
      ]),
    ),
    frameAncestors: (options.frameAncestors ?? []).map(
      (origin) =>
        checkUrl(origin, 'GAUTHIFY_FRAME_ANCESTORS (option frameAncestors)')
          .origin,
    ),
    whileLocked: checkWhileLocked(options.whileLocked ?? 'error'),
    keepQrUrl: options.keepQrUrl ?? false,
    security: checkSecurity(options.security ?? {}),
  });
}

function checkUrl(value: string, name: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password)
    throw new StartError(
      `${name} must be an http or https URL without user name, but is "${value}"`,
    );
  if (url.hash || (name.startsWith('PUBLIC_URL') && url.search))
    throw new StartError(`${name} must not have a query or fragment`);
  return url;
}

function checkApiKey({ realm, key }: RealmKey): RealmKey {
  const name = 'GAUTHIFY_API_KEYS (option apiKeys)';
  if (!/^[\w.-]{1,64}$/.test(realm))
    throw new StartError(
      `${name}: a realm is 1 to 64 letters, digits, "_", "." or "-", but one is "${realm}"`,
    );
  if (!/^[!-~]{16,255}$/.test(key))
    throw new StartError(
      `${name}: the key of realm "${realm}" must be 16 to 255 printable ASCII characters without spaces`,
    );
  return { realm, key };
}

function checkIssuer(issuer: string): string {
  // A colon separates issuer and account in the otpauth:// label [Key URI Format].
  if (!/^[^:\p{Cc}]{1,64}$/u.test(issuer) || issuer.trim() !== issuer)
    throw new StartError(
      'GAUTHIFY_ISSUER (option issuer) must be 1 to 64 characters, without a colon, control characters, or spaces around it',
    );
  return issuer;
}

function checkWhileLocked(value: WhileLocked): WhileLocked {
  if (value !== 'error' && value !== 'false')
    throw new StartError(
      `GAUTHIFY_WHILE_LOCKED (option whileLocked) must be "error" or "false", but is ${JSON.stringify(value)}`,
    );
  return value;
}

function checkSecurity(
  options: NonNullable<GAuthifyServerOptions['security']>,
): Readonly<SecurityOptions> {
  const given = Object.entries(options).filter(
    (entry): entry is [string, number] => entry[1] !== undefined,
  );
  for (const [name, value] of given) {
    if (!(name in SECURITY_DEFAULTS))
      throw new StartError(`There is no option security.${name}`);
    const least =
      name === 'totpWindowSteps' || name === 'sendSpacingSeconds' ? 0 : 1;
    if (!Number.isInteger(value) || value < least)
      throw new StartError(
        `Option security.${name} must be a whole number of at least ${least}, but is ${value}`,
      );
  }
  return Object.freeze({
    ...SECURITY_DEFAULTS,
    ...Object.fromEntries(given),
  });
}
