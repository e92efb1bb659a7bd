/** A whole number that is not negative; `fallback` if there is none, `undefined` if it is something else. */
export function timeOf<Fallback>(
  value: unknown,
  fallback: Fallback,
): number | Fallback | undefined {
  if (value === undefined || value === null || value === '') return fallback;
  return Number.isSafeInteger(value) && (value as number) >= 0
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
