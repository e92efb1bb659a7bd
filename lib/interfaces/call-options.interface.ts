/** Options of a single call; each stands in for that of `GAuthifyModule`. */
export interface CallOptions {
  /** Time for one attempt at one access point, milliseconds. @default that of the module */
  timeoutMs?: number | undefined;
  /** Time for the call, all its attempts together, milliseconds. @default that of the module */
  totalTimeoutMs?: number | undefined;
}
