import { refuseUnknownOptions } from '../../contract/known-options.js';
import { StartError } from './start-error.js';

/** How many codes may be guessed and messages sent, and how long codes, tokens and waits last. */
export interface SecurityOptions {
  /** TOTP steps accepted on either side of the current one, for clocks that drift. @default 1 [RFC 6238 §5.2] */
  totpWindowSteps: number;
  /** Consecutive wrong codes of a user before each further attempt has to wait. @default 5 */
  freeAttempts: number;
  /** First wait, seconds; doubles with each further wrong code. @default 5 [RFC 4226 §7.3] */
  attemptDelaySeconds: number;
  /** Longest wait, seconds. @default 3600 */
  maxAttemptDelaySeconds: number;
  /** Consecutive wrong codes after which the user is locked until `unlock` or `reset_key`. @default 100 [NIST SP 800-63B] */
  lockAfterAttempts: number;
  /**
   * Wrong codes of a user in any 24 hours, however many right codes come in between: half of them may
   * come at once, the other half spread evenly over the day. `unlock` and `reset_key` set the count back.
   *
   * @default 100 [NIST SP 800-63B]
   */
  maxWrongCodesPerDay: number;
  /** Life of a code sent by e-mail, SMS or voice, seconds. @default 300 [NIST SP 800-63B] */
  sentCodeTtlSeconds: number;
  /** Attempts after which a sent code stops working. @default 5 */
  sentCodeTries: number;
  /** Least time between two messages, seconds. @default 30 [Twilio Verify] */
  sendSpacingSeconds: number;
  /** Messages within `sendWindowSeconds`, per user and channel, and per destination. @default 5 */
  sendsPerWindow: number;
  /** Window of `sendsPerWindow`, seconds. @default 600 */
  sendWindowSeconds: number;
  /** Messages to a user in 24 hours, all channels together. @default 50 */
  sendsPerDay: number;
  /** SMS or calls of a realm to a block of 10,000 numbers in 24 hours whose codes are not entered. @default 20 */
  unusedCodesPerBlock: number;
  /** The same to a country. @default 1000 */
  unusedCodesPerCountry: number;
  /** Per cent of codes: where at least so many are entered, today and yesterday, the two limits before do not apply. @default 50 */
  minEnteredShare: number;
  /** SMS or calls of a realm to a country in 24 hours whose codes are not entered, however many others are. @default 10000 */
  mostUnusedCodesPerCountry: number;
  /** How long an additional authenticator app may wait for its first right code, seconds. @default 86400 */
  pendingFactorTtlSeconds: number;
  /** Life of a token `gat…`, seconds. @default 300 */
  tokenTtlSeconds: number;
  /** How long the answer to an `Idempotency-Key` is kept, seconds. @default 600 */
  idempotencyTtlSeconds: number;
  /** How long a repetition waits for the answer to the first request before it gets a 500, milliseconds. @default 3000 */
  idempotencyWaitMs: number;
  /** Largest request body, bytes. @default 65536 */
  maxBodyBytes: number;
}

/** The default of each security option. */
export const SECURITY_DEFAULTS: Readonly<SecurityOptions> = Object.freeze({
  totpWindowSteps: 1,
  freeAttempts: 5,
  attemptDelaySeconds: 5,
  maxAttemptDelaySeconds: 3600,
  lockAfterAttempts: 100,
  maxWrongCodesPerDay: 100,
  sentCodeTtlSeconds: 300,
  sentCodeTries: 5,
  sendSpacingSeconds: 30,
  sendsPerWindow: 5,
  sendWindowSeconds: 600,
  sendsPerDay: 50,
  unusedCodesPerBlock: 20,
  unusedCodesPerCountry: 1000,
  minEnteredShare: 50,
  mostUnusedCodesPerCountry: 10_000,
  pendingFactorTtlSeconds: 86_400,
  tokenTtlSeconds: 300,
  idempotencyTtlSeconds: 600,
  idempotencyWaitMs: 3000,
  maxBodyBytes: 64 * 1024,
});

/** These may be 0; every other option is at least 1. */
const MAY_BE_ZERO: readonly string[] = [
  'totpWindowSteps',
  'sendSpacingSeconds',
];

/**
 * Checks the given security options and fills in the defaults.
 *
 * @throws StartError naming the first option that is unknown or wrong
 */
export function checkSecurityOptions(options: {
  [Name in keyof SecurityOptions]?: SecurityOptions[Name] | undefined;
}): Readonly<SecurityOptions> {
  refuseUnknownOptions(
    options,
    Object.keys(SECURITY_DEFAULTS),
    (name, problem) => new StartError(`Option ${name}: ${problem}`),
    'security',
  );
  const given = Object.entries(options).filter(
    ([, value]) => value !== undefined,
  );
  for (const [name, value] of given) {
    const least = MAY_BE_ZERO.includes(name) ? 0 : 1;
    if (!Number.isInteger(value) || value < least)
      throw new StartError(
        `Option security.${name} must be a whole number of at least ${least}, but is ${value}`,
      );
  }
  return Object.freeze({ ...SECURITY_DEFAULTS, ...Object.fromEntries(given) });
}
