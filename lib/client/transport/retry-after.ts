/**
 * Seconds of a `Retry-After` header, which is a number of them or a date
 * [RFC 9110 §10.2.3]; `undefined` where it is missing or neither.
 */
export function retryAfterSeconds(
  header: unknown,
  nowMs = Date.now(),
): number | undefined {
  if (typeof header !== 'string') return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text);
  // Date.parse takes much that is no date ("-5"); every HTTP date names GMT.
  if (!/GMT$/.test(text)) return undefined;
  const dateMs = Date.parse(text);
  if (Number.isNaN(dateMs)) return undefined;
  return Math.max(0, Math.ceil((dateMs - nowMs) / 1000));
}
