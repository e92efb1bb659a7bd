/** The numbers that decide how hard guessing is. */
export interface SecurityOptions {
  /** TOTP steps accepted on either side of the current one, for clocks that drift. @default 1 [RFC 6238 §5.2] */
  totpWindowSteps: number;
  /** Consecutive wrong codes of a user before each further one has to wait. @default 5 */
  freeAttempts: number;
  /** First wait, seconds; doubles with each further wrong code. @default 5 [RFC 4226 §7.3] */
  attemptDelaySeconds: number;
  /** Longest wait, seconds. @default 3600 */
  maxAttemptDelaySeconds: number;
  /** Consecutive wrong codes after which only `reset_key` helps. @default 100 [NIST SP 800-63B] */
  lockAfterAttempts: number;
  /**
   * Wrong codes of a user in any 24 hours, whatever right codes come in between: half of them may come
   * at once, the other half spread evenly over the day. `reset_key` starts anew.
   *
   * @default 100 [NIST SP 800-63B]
   */
  maxWrongCodesPerDay: number;
  /** Life of a code sent by e-mail, SMS or voice, seconds. @default 300 [NIST SP 800-63B] */
  sentCodeTtlSeconds: number;
  /** Codes that may be compared with a sent one. @default 5 */
  sentCodeTries: number;
  /** Least time between two messages, seconds. @default 30 [Twilio Verify] */
  sendSpacingSeconds: number;
  /** Messages within `sendWindowSeconds`, per user and channel, and per destination. @default 5 */
  sendsPerWindow: number;
  /** @default 600 */
  sendWindowSeconds: number;
  /** Messages to a user in 24 hours, all channels together. @default 50 */
  sendsPerDay: number;
  /** Life of a token `gat…`, seconds. @default 300 */
  tokenTtlSeconds: number;
  /** How long the answer to an `Idempotency-Key` is kept, seconds. @default 600 */
  idempotencyTtlSeconds: number;
  /** How long a repetition waits for the answer to the first request, milliseconds, before it is a 500. @default 3000 */
  idempotencyWaitMs: number;
  /** Largest request body, bytes. @default 65536 */
  maxBodyBytes: number;
}

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
  tokenTtlSeconds: 300,
  idempotencyTtlSeconds: 600,
  idempotencyWaitMs: 3000,
  maxBodyBytes: 64 * 1024,
});
