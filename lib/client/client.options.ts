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
   * in `/v1/` (a missing last slash is added).
   *
   * @default the hosted ones, `https://alpha.gauthify.com/v1/` and `https://beta.gauthify.com/v1/`
   */
  accessPoints?: string[] | undefined;

  /**
   * Time for one attempt at one access point, milliseconds.
   *
   * @default 5000
   */
  timeoutMs?: number | undefined;

  /**
   * Time for a call, all its attempts together, milliseconds.
   *
   * @default no limit but `timeoutMs` for each access point
   */
  totalTimeoutMs?: number | undefined;

  /**
   * How long an access point that failed is left alone, milliseconds, before a
   * single call tries it again. While all are left alone, they are tried all
   * the same.
   *
   * @default 30000
   */
  accessPointCooldownMs?: number | undefined;

  /**
   * When a call goes on to another access point.
   *
   * `safe`: never where something could happen twice. Of a check, a send or a
   * new user whose answer was lost, that is only where GAuthify knows the call
   * again by its `Idempotency-Key`; else it is a `ServerError`.
   * Where there are several access points, the first such call at each waits for
   * a `GET errors/` there, which says whether it does.
   *
   * `legacy`: as the old GAuthify clients, after whatever is no answer. A
   * person may then get two SMS, or be told that a right code is wrong.
   *
   * @default `safe`
   */
  retry?: RetryPolicy | undefined;

  /**
   * Most connections to one access point at a time; further calls wait for
   * one, within their `timeoutMs`. Not used with an `http` module of your own.
   *
   * @default 128
   */
  maxSockets?: number | undefined;
}

/** Options of a single call; each stands in for that of `GAuthifyModule`. */
export interface CallOptions {
  /** Time for one attempt at one access point, milliseconds. @default that of the module */
  timeoutMs?: number | undefined;
  /** Time for the call, all its attempts together, milliseconds. @default that of the module */
  totalTimeoutMs?: number | undefined;
}

/** Options of `GAuthifyService.checkAuth`. */
export interface CheckAuthOptions extends CallOptions {
  /**
   * Let everyone in while GAuthify is unreachable: nobody answered the check,
   * and a probe of every access point failed too; see
   * `GAuthifyService.isUnreachable`. The probe takes up to `timeoutMs` of the
   * module more. Each person let in is logged at `warn`. Whoever can take
   * GAuthify down then needs no second factor.
   *
   * @default false
   */
  safeMode?: boolean | undefined;
}

/** Options of `GAuthifyService.users`. Times are those of one page. */
export interface UsersOptions extends CallOptions {
  /** Users a request, 1–1000. @default 100 */
  pageSize?: number | undefined;
}

/** The hosted access points, in the order every GAuthify client asks them. */
export const HOSTED_ACCESS_POINTS: readonly string[] = Object.freeze([
  'https://alpha.gauthify.com/v1/',
  'https://beta.gauthify.com/v1/',
]);

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_COOLDOWN_MS = 30_000;
const DEFAULT_MAX_SOCKETS = 128;
// setTimeout runs at once when it is given more than this.
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

/**
 * Checks the options of the client and fills in defaults.
 *
 * @throws Error one sentence that names the option and says what to do; never its value, which may hold the API key
 */
export function resolveClientOptions(
  options: GAuthifyClientOptions,
): ResolvedClientOptions {
  return {
    apiKey: checkApiKey(options.apiKey),
    accessPoints: checkAccessPoints(options.accessPoints),
    timeoutMs: checkMs('timeoutMs', options.timeoutMs) ?? DEFAULT_TIMEOUT_MS,
    totalTimeoutMs: checkMs('totalTimeoutMs', options.totalTimeoutMs),
    accessPointCooldownMs:
      checkMs('accessPointCooldownMs', options.accessPointCooldownMs) ??
      DEFAULT_COOLDOWN_MS,
    retry: checkRetry(options.retry),
    maxSockets: checkMaxSockets(options.maxSockets),
  };
}

function checkApiKey(apiKey: unknown): string {
  if (apiKey === undefined || apiKey === null || apiKey === '')
    throw invalid('apiKey', 'is missing: set it to the API key of your realm');
  if (typeof apiKey !== 'string')
    throw invalid('apiKey', 'must be a string: the API key of your realm');
  if (apiKey.trim() === '')
    throw invalid('apiKey', 'is blank: set it to the API key of your realm');
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw invalid(
      'apiKey',
      'has a space, a line break or a character outside ASCII in it, which no HTTP header can carry: copy the key again',
    );
  return apiKey;
}

function checkAccessPoints(accessPoints: unknown): readonly string[] {
  if (accessPoints === undefined) return HOSTED_ACCESS_POINTS;
  if (!Array.isArray(accessPoints))
    throw invalid('accessPoints', 'must be an array of URLs');
  if (accessPoints.length === 0)
    throw invalid(
      'accessPoints',
      'is empty: name at least one URL, or leave the option out for the hosted ones',
    );
  return Object.freeze(
    accessPoints.map((value, index) =>
      checkAccessPoint(`accessPoints[${index}]`, value),
    ),
  );
}

function checkAccessPoint(name: string, value: unknown): string {
  const url =
    typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw invalid(
      name,
      'must be an http or https URL, such as https://auth.example.com/v1/',
    );
  if (url.username || url.password)
    throw invalid(
      name,
      'must not have a user name or password in it: the API key goes into apiKey',
    );
  if (url.search || url.hash)
    throw invalid(name, 'must not have a query or fragment: end it at /v1/');
  const path = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
  if (!path.endsWith('/v1/'))
    throw invalid(
      name,
      'must end in /v1/, such as https://auth.example.com/v1/',
    );
  return url.origin + path;
}

function checkMs(name: string, value: unknown): number | undefined {
  const problem = problemOfMs(value);
  if (problem) throw invalid(name, problem);
  return value as number | undefined;
}

/** What is wrong with a number of milliseconds; `undefined` where nothing is. */
export function problemOfMs(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value > 0 && value <= MAX_TIMEOUT_MS)
    return undefined;
  return `must be a number of milliseconds above 0 and at most ${MAX_TIMEOUT_MS}`;
}

function checkRetry(retry: unknown): RetryPolicy {
  if (retry === undefined) return 'safe';
  if (retry !== 'safe' && retry !== 'legacy')
    throw invalid('retry', 'must be "safe" or "legacy"');
  return retry;
}

function checkMaxSockets(value: unknown): number {
  if (value === undefined) return DEFAULT_MAX_SOCKETS;
  if (!Number.isSafeInteger(value) || (value as number) < 1)
    throw invalid('maxSockets', 'must be a whole number of at least 1');
  return value as number;
}

/** An error for whoever wrote the option: its name, what is wrong, what to do. */
export function invalid(option: string, problem: string): Error {
  return new Error(`GAuthifyModule: ${option} ${problem}.`);
}
