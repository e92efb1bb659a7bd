import { Logger } from '@nestjs/common';
import { refuseUnknownOptions } from '../contract/known-options.js';
import { ParameterError } from '../contract/errors/parameter.error.js';

/** Token of the options of `GAuthifyModule`: checked, with defaults filled in, frozen. */
export const GAUTHIFY_MODULE_OPTIONS = Symbol('GAUTHIFY_MODULE_OPTIONS');

/** When a call goes on to another access point: `safe` or `legacy`; see {@link GAuthifyModuleOptions.retry}. */
export type RetryPolicy = 'safe' | 'legacy';

/** Options of the client: how it reaches GAuthify. */
export interface GAuthifyClientOptions {
  /** API key of your realm on the GAuthify server. */
  apiKey: string;

  /**
   * Base URLs of GAuthify, asked in this order. Each is http or https and ends
   * in `/v1/` (a missing trailing slash is added).
   *
   * @default the hosted ones, `https://alpha.gauthify.com/v1/` and `https://beta.gauthify.com/v1/`
   */
  accessPoints?: string[] | undefined;

  /** Time for one attempt at one access point, milliseconds. @default 5000 */
  timeoutMs?: number | undefined;

  /** Time for a call, all its attempts together, milliseconds. @default no limit but `timeoutMs` for each access point */
  totalTimeoutMs?: number | undefined;

  /**
   * How long an access point that failed is left alone, milliseconds, before a
   * single call tries it again. If all have failed, they are tried anyway.
   *
   * @default 30000
   */
  accessPointCooldownMs?: number | undefined;

  /**
   * When a call goes on to another access point.
   *
   * `safe`: never if something could happen twice. A check, a send or a new user
   * whose answer was lost goes on only if the next access point recognizes the
   * call by its `Idempotency-Key`; otherwise it is a `ServerError`. With several
   * access points, the first such call at each waits for a `GET errors/` there,
   * which tells whether it does.
   *
   * `legacy`: after anything but an answer of GAuthify, as the old clients do. A
   * person may then get two SMS, or be told that a right code is wrong.
   *
   * @default `safe`
   */
  retry?: RetryPolicy | undefined;

  /**
   * Maximum number of connections to one access point; further calls wait for
   * one, within their `timeoutMs`. Not used with an `http` module of your own.
   *
   * @default 128
   */
  maxSockets?: number | undefined;
}

/** Options of a single call; each replaces that of `GAuthifyModule`. */
export interface CallOptions {
  /** Time for one attempt at one access point, milliseconds. @default that of the module */
  timeoutMs?: number | undefined;
  /** Time for the call, all its attempts together, milliseconds. @default that of the module */
  totalTimeoutMs?: number | undefined;
}

/** The hosted access points, in the order in which every GAuthify client asks them. */
export const HOSTED_ACCESS_POINTS: readonly string[] = Object.freeze([
  'https://alpha.gauthify.com/v1/',
  'https://beta.gauthify.com/v1/',
]);

// setTimeout fires at once if it is given more than this.
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** {@link GAuthifyClientOptions}, checked, with defaults filled in. */
export interface ResolvedClientOptions {
  readonly apiKey: string;
  readonly accessPoints: readonly string[];
  readonly timeoutMs: number;
  /** `undefined`: no limit but `timeoutMs` for each access point. */
  readonly totalTimeoutMs: number | undefined;
  readonly accessPointCooldownMs: number;
  readonly retry: RetryPolicy;
  readonly maxSockets: number;
}

/** The check of each option: returns its value, or the default for `undefined`. */
const CHECKS: {
  [Name in keyof ResolvedClientOptions]: (
    value: unknown,
    name: Name,
  ) => ResolvedClientOptions[Name];
} = {
  apiKey: checkApiKey,
  accessPoints: checkAccessPoints,
  timeoutMs: (value, name) => checkMs(name, value) ?? 5000,
  totalTimeoutMs: (value, name) => checkMs(name, value),
  accessPointCooldownMs: (value, name) => checkMs(name, value) ?? 30_000,
  retry: (value = 'safe', name) =>
    value === 'safe' || value === 'legacy'
      ? value
      : refuse(name, value, 'must be "safe" or "legacy"'),
  maxSockets: (value = 128, name) =>
    Number.isSafeInteger(value) && (value as number) > 0
      ? (value as number)
      : refuse(name, value, 'must be a whole number of at least 1'),
};

/** Every option of the client. */
export const CLIENT_OPTIONS = Object.keys(CHECKS);

/**
 * Checks the options of the client and fills in defaults.
 *
 * @throws Error one sentence that names the option and says what to do; never with a value that may hold the API key
 */
export function resolveClientOptions(
  options: GAuthifyClientOptions,
): ResolvedClientOptions {
  const given = options as unknown as Record<string, unknown>;
  const resolved = Object.entries(CHECKS).map(([name, check]) => [
    name,
    (check as (value: unknown, name: string) => unknown)(given[name], name),
  ]);
  return Object.fromEntries(resolved) as ResolvedClientOptions;
}

function checkApiKey(apiKey: unknown): string {
  const hint = 'set it to the API key of your realm';
  if (apiKey === undefined || apiKey === null || apiKey === '')
    throw invalid('apiKey', `is missing: ${hint}`);
  if (typeof apiKey !== 'string')
    throw invalid('apiKey', `must be a string: ${hint}`);
  if (apiKey.trim() === '') throw invalid('apiKey', `is blank: ${hint}`);
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw invalid(
      'apiKey',
      'has a space, a line break or a character outside ASCII in it, which no HTTP header can carry: copy the key again',
    );
  return apiKey;
}

function checkAccessPoints(urls: unknown): readonly string[] {
  if (urls === undefined) return HOSTED_ACCESS_POINTS;
  if (!Array.isArray(urls))
    throw invalid('accessPoints', 'must be an array of URLs');
  const isEmpty =
    'is empty: name at least one URL, or leave it out for the hosted';
  if (urls.length === 0) throw invalid('accessPoints', isEmpty);
  return Object.freeze(
    urls.map((url, index) => checkAccessPoint(`accessPoints[${index}]`, url)),
  );
}

function checkAccessPoint(name: string, value: unknown): string {
  const example = 'such as https://auth.example.com/v1/';
  const url =
    typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw invalid(name, `must be an http or https URL, ${example}`);
  if (url.username || url.password)
    throw invalid(
      name,
      'must not have a user name or password in it: the API key goes into apiKey',
    );
  if (url.search || url.hash)
    throw invalid(name, 'must not have a query or fragment: end it at /v1/');
  const path = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
  if (!path.endsWith('/v1/'))
    throw invalid(name, `must end in /v1/, ${example}`);
  return url.origin + path;
}

function checkMs(name: string, value: unknown): number | undefined {
  const problem = problemOfMs(value);
  if (problem) throw invalid(name, problem);
  return value as number | undefined;
}

/** What is wrong with a number of milliseconds; `undefined` if nothing is. */
function problemOfMs(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value > 0 && value <= MAX_TIMEOUT_MS)
    return undefined;
  return `must be a number of milliseconds above 0 and at most ${MAX_TIMEOUT_MS}, not ${shown(value)}`;
}

export const CALL_OPTIONS = ['timeoutMs', 'totalTimeoutMs'] as const;

/** Checks the options of a call, of which `known` are all. @throws ParameterError naming the first wrong one */
export function checkCallOptions(
  options: CallOptions | null | undefined,
  known: readonly string[] = CALL_OPTIONS,
): CallOptions {
  if (!options) return {};
  const fail = (name: string, problem: string) =>
    new ParameterError(`${name}: ${problem}`);
  refuseUnknownOptions(options, known, fail);
  for (const name of CALL_OPTIONS) {
    const problem = problemOfMs(options[name]);
    if (problem) throw new ParameterError(`${name} ${problem}`);
  }
  return options;
}

/** Warns, once at start, about access points that are reached over a network without TLS. */
export function warnOfPlainHttp(accessPoints: readonly string[]): void {
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
  const origins = accessPoints
    .map((url) => new URL(url))
    .filter((url) => url.protocol === 'http:' && !local.test(url.hostname))
    .map(({ origin }) => origin);
  if (origins.length === 0) return;
  new Logger('GAuthifyModule').warn(
    `accessPoints: ${[...new Set(origins)].join(', ')} uses plain http, so anyone on the network in between can read the API key, secrets and codes, and answer in GAuthify's place. Use https, or keep the connection on this machine.`,
  );
}

function refuse(option: string, value: unknown, problem: string): never {
  throw invalid(option, `${problem}, not ${shown(value)}`);
}

/** A wrong value in a message: short, on one line. */
const shown = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value.slice(0, 50))
    : typeof value === 'object' && value !== null
      ? 'an object'
      : String(value);

/** An error for whoever wrote the option: its name, what is wrong, what to do. */
export function invalid(option: string, problem: string): Error {
  return new Error(`GAuthifyModule: ${option} ${problem}.`);
}
