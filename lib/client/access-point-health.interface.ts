/** Options of `GAuthifyService.health`. */
export interface HealthOptions {
  /** Time for each access point, milliseconds. @default that of the module */
  timeoutMs?: number | undefined;
}

/** Whether an access point answers. */
export interface AccessPointHealth {
  /** As in the option `accessPoints`. */
  url: string;
  status: 'up' | 'down';
  /** How long it took to find out, milliseconds. */
  durationMs: number;
  /** Why it is down. */
  reason?: string;
}
