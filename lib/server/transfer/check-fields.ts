/** The latest time that a Date can be [ECMA-262 §21.4.1.1]. */
const LATEST_TIME = 8.64e15;

/** A whole number that is not negative, and not later than any time; `fallback` if there is none, `undefined` if it is something else. */
export function wholeNumberOf<Fallback>(
  value: unknown,
  fallback: Fallback,
): number | Fallback | undefined {
  if (value === undefined || value === null || value === '') return fallback;
  return Number.isSafeInteger(value) &&
    (value as number) >= 0 &&
    (value as number) <= LATEST_TIME
    ? (value as number)
    : undefined;
}

/** An id of a row, as this server makes them; `undefined` if it is none. */
export function idOf(value: unknown, maxLength: number): string | undefined {
  return typeof value === 'string' &&
    value.length <= maxLength &&
    /^[\w-]+$/.test(value)
    ? value
    : undefined;
}
