/** An HTTP answer of an access point, as it arrived. */
export interface Answer {
  status: number;
  /** By lower-case name. */
  headers: Record<string, unknown>;
  /** Body, undecoded but for its character set. */
  text: string;
}

/** Whether a value read from JSON is an object: no array, no `null`. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
