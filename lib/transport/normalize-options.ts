import type {
  MfaOptions,
  MfaProofOptions,
} from '../interfaces/mfa-options.interface.js';
import type {
  GAuthifyModuleOptions,
  RetryPolicy,
} from '../interfaces/gauthify-module-options.interface.js';

/** The hosted access points, in the order every GAuthify client asks them. */
export const HOSTED_ACCESS_POINTS: readonly string[] = Object.freeze([
  'https://alpha.gauthify.com/v1/',
  'https://beta.gauthify.com/v1/',
]);

const DEFAULT_TIMEOUT_MS = 5000;
// The output of the hash that signs [RFC 7518 §3.2].
const MIN_SECRET_BYTES = 32;
const DEFAULT_COOLDOWN_MS = 30_000;
const DEFAULT_MAX_SOCKETS = 128;
// setTimeout runs at once when it is given more than this.
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** {@link GAuthifyModuleOptions}, checked, with defaults filled in; frozen. */
export interface GAuthifyResolvedOptions {
  readonly apiKey: string;
  readonly accessPoints: readonly string[];
  readonly timeoutMs: number;
  /** `undefined`: no limit but `timeoutMs` for each access point. */
  readonly totalTimeoutMs: number | undefined;
  readonly accessPointCooldownMs: number;
  readonly retry: RetryPolicy;
  readonly maxSockets: number;
  readonly mfa: Readonly<MfaOptions>;
}

/**
 * Checks the options of `GAuthifyModule` and fills in defaults.
 *
 * @throws Error one sentence that names the option and says what to do; never its value, which may hold the API key
 */
export function normalizeOptions(
  options: GAuthifyModuleOptions,
): GAuthifyResolvedOptions {
  if (typeof options !== 'object' || options === null)
    throw invalid('options', 'must be an object with at least an apiKey');
  return Object.freeze({
    apiKey: checkApiKey(options.apiKey),
    accessPoints: checkAccessPoints(options.accessPoints),
    timeoutMs: checkMs('timeoutMs', options.timeoutMs) ?? DEFAULT_TIMEOUT_MS,
    totalTimeoutMs: checkMs('totalTimeoutMs', options.totalTimeoutMs),
    accessPointCooldownMs:
      checkMs('accessPointCooldownMs', options.accessPointCooldownMs) ??
      DEFAULT_COOLDOWN_MS,
    retry: checkRetry(options.retry),
    maxSockets: checkMaxSockets(options.maxSockets),
    mfa: checkMfa(options.mfa),
  });
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

function checkMfa(mfa: MfaOptions | undefined): Readonly<MfaOptions> {
  if (mfa === undefined) return Object.freeze({});
  if (typeof mfa !== 'object' || mfa === null)
    throw invalid('mfa', 'must be an object');
  for (const name of ['userId', 'code'] as const)
    if (mfa[name] !== undefined && typeof mfa[name] !== 'function')
      throw invalid(
        `mfa.${name}`,
        `must be a function that takes the request and returns the ${name === 'code' ? 'code' : 'user’s id'}`,
      );
  for (const name of ['required', 'onEvent'] as const)
    if (mfa[name] !== undefined && typeof mfa[name] !== 'function')
      throw invalid(`mfa.${name}`, 'must be a function');
  if (mfa.safeMode !== undefined && typeof mfa.safeMode !== 'boolean')
    throw invalid('mfa.safeMode', 'must be true or false');
  if (mfa.proof === undefined) return Object.freeze({ ...mfa });
  checkProof(mfa.proof);
  return Object.freeze({ ...mfa, proof: Object.freeze({ ...mfa.proof }) });
}

function checkProof(proof: MfaProofOptions): void {
  const secrets: unknown[] = [proof?.secret].flat();
  if (
    secrets.length === 0 ||
    secrets.some(
      (secret) =>
        typeof secret !== 'string' ||
        Buffer.byteLength(secret) < MIN_SECRET_BYTES,
    )
  )
    throw invalid(
      'mfa.proof.secret',
      `must be a string of at least ${MIN_SECRET_BYTES} bytes, or several of them, newest first: make one with openssl rand -base64 32`,
    );
  const { ttlSeconds, cookie, header, audience, recheckSeconds, bindTo } =
    proof;
  if (
    ttlSeconds !== undefined &&
    !(Number.isInteger(ttlSeconds) && ttlSeconds > 0)
  )
    throw invalid('mfa.proof.ttlSeconds', 'must be a whole number above 0');
  if (bindTo !== undefined && typeof bindTo !== 'function')
    throw invalid(
      'mfa.proof.bindTo',
      'must be a function that takes the request and returns the session’s id',
    );
  if (
    typeof cookie === 'string'
      ? !/^[\w!#$%&'*+.^`|~-]+$/.test(cookie)
      : cookie !== undefined && typeof cookie !== 'boolean'
  )
    throw invalid('mfa.proof.cookie', 'must be true, or the name of a cookie');
  if (header !== undefined && typeof header !== 'boolean')
    throw invalid('mfa.proof.header', 'must be true or false');
  if (header === false && !cookie)
    throw invalid(
      'mfa.proof.header',
      'is false and mfa.proof.cookie is not set, so that no proof could be handed over: set cookie, or leave out header',
    );
  if (
    audience !== undefined &&
    !(typeof audience === 'string' && audience !== '')
  )
    throw invalid('mfa.proof.audience', 'must be a string that is not empty');
  if (
    recheckSeconds !== undefined &&
    !(Number.isFinite(recheckSeconds) && recheckSeconds >= 0)
  )
    throw invalid(
      'mfa.proof.recheckSeconds',
      'must be a number of seconds, or 0 for never',
    );
}

function invalid(option: string, problem: string): Error {
  return new Error(`GAuthifyModule: ${option} ${problem}.`);
}
