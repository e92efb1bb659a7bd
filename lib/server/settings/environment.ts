import { nearest } from '../../contract/known-options.js';
import { DELIVERY_VARIABLES, deliveryFrom } from './delivery-environment.js';
import { parseEncryptionKeys } from './encryption-keys.js';
import {
  type Environment,
  parseBoolean,
  parseList,
} from './environment-values.js';
import type { KeyProvider } from './key-provider.interface.js';
import {
  metricsFrom,
  programFrom,
  type ProgramOptions,
} from './program-environment.js';
import {
  type GAuthifyServerOptions,
  settingsOf,
  type WhileLocked,
} from './server.options.js';
import { StartError } from './start-error.js';

/** The variable that sets an option. */
const VARIABLES: Readonly<Record<string, string>> = {
  database: 'DATABASE_URL',
  publicUrl: 'PUBLIC_URL',
  apiKeys: 'GAUTHIFY_API_KEYS',
  encryptionKeys: 'GAUTHIFY_ENCRYPTION_KEYS',
  keyProvider: 'GAUTHIFY_KEY_PROVIDER',
  issuer: 'GAUTHIFY_ISSUER',
  returnUrls: 'GAUTHIFY_RETURN_URLS',
  frameAncestors: 'GAUTHIFY_FRAME_ANCESTORS',
  keepQrUrl: 'GAUTHIFY_KEEP_QR_URL',
  audit: 'GAUTHIFY_AUDIT',
  legacyRoutes: 'GAUTHIFY_LEGACY_ROUTES',
  whileLocked: 'GAUTHIFY_WHILE_LOCKED',
  metrics: 'METRICS_PORT',
  'metrics.port': 'METRICS_PORT',
  'metrics.host': 'METRICS_HOST',
  ...DELIVERY_VARIABLES,
};

/** Variables of commands of the program. */
const OF_COMMANDS = ['GAUTHIFY_PASSPHRASE', 'GAUTHIFY_API_KEY'];

/** The message of a {@link StartError}, with the variable in place of the option that it sets. */
export function namingVariables(message: string): string {
  return message.replace(
    /^Option ([\w.]+)/,
    (whole, option: string) => VARIABLES[option] ?? whole,
  );
}

/** One sentence for each variable that starts with `GAUTHIFY_` and that the server does not read. */
export function unknownVariables(env: Environment): string[] {
  const isOurs = (name: string) => name.startsWith('GAUTHIFY_');
  const known = [...Object.values(VARIABLES).filter(isOurs), ...OF_COMMANDS];
  return Object.keys(env)
    .filter((name) => isOurs(name) && !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      return `${name} is not a variable of the server, and is ignored${meant ? `; did you mean ${meant}?` : ''}`;
    });
}

/**
 * Reads the options of the server from environment variables; an empty value
 * counts as none.
 *
 * @param keyProvider what `GAUTHIFY_KEY_PROVIDER` names
 * @throws StartError naming the first wrong variable; never shows a key
 */
export function optionsFromEnvironment(
  env: Environment,
  keyProvider?: KeyProvider,
): GAuthifyServerOptions & ProgramOptions {
  const program = programFrom(env);
  const { host, port } = program;
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const options: GAuthifyServerOptions = {
    database: env.DATABASE_URL || 'sqlite:gauthify.sqlite',
    publicUrl:
      env.PUBLIC_URL ||
      (port === 0 ? undefined : `http://${shownHost}:${port}`),
    apiKeys: pairs(env, 'GAUTHIFY_API_KEYS', ':', 'realm:key').map(
      ([realm, key]) => ({ realm, key }),
    ),
    encryptionKeys: env.GAUTHIFY_ENCRYPTION_KEYS
      ? parseEncryptionKeys(
          env.GAUTHIFY_ENCRYPTION_KEYS,
          'GAUTHIFY_ENCRYPTION_KEYS',
        )
      : undefined,
    keyProvider,
    issuer: env.GAUTHIFY_ISSUER || 'GAuthify',
    returnUrls: Object.fromEntries(
      pairs(env, 'GAUTHIFY_RETURN_URLS', '=', 'realm=url'),
    ),
    frameAncestors: parseList(env.GAUTHIFY_FRAME_ANCESTORS),
    keepQrUrl: parseBoolean(env, 'GAUTHIFY_KEEP_QR_URL'),
    legacyRoutes: parseBoolean(env, 'GAUTHIFY_LEGACY_ROUTES'),
    audit: parseBoolean(env, 'GAUTHIFY_AUDIT', 'true'),
    ...deliveryFrom(env),
    metrics: metricsFrom(env),
    // Checked by `settingsOf`.
    whileLocked: (env.GAUTHIFY_WHILE_LOCKED || 'error') as WhileLocked,
  };
  try {
    settingsOf(options);
  } catch (error) {
    throw new StartError(namingVariables((error as Error).message), {
      cause: error,
    });
  }
  const { metrics } = options;
  // Two hosts may be two addresses, and one of them all addresses.
  const isOneHost = (metrics?.host ?? '127.0.0.1') === host;
  if (metrics?.port && metrics.port === port && isOneHost)
    throw new StartError(
      `METRICS_PORT must be another port than PORT, but both are ${port}`,
    );
  return { ...program, ...options };
}

/** Reads `left` `separator` `right` entries, separated by commas. */
function pairs(
  env: Environment,
  name: string,
  separator: string,
  form: string,
): [string, string][] {
  return parseList(env[name]).map((entry) => {
    const at = entry.indexOf(separator);
    if (at < 1)
      throw new StartError(
        `${name} must be ${form} entries separated by commas`,
      );
    return [entry.slice(0, at), entry.slice(at + 1)];
  });
}
