const UNITS = [
  ['hour', 3600],
  ['minute', 60],
] as const;

/** An exact wait: `1 second`, `20 seconds`. For API messages, whose readers may not see `Retry-After`. */
export function inSeconds(seconds: number): string {
  return `${seconds} second${seconds === 1 ? '' : 's'}`;
}

/** A wait for people to read, rounded up: `1 second`, `90 seconds`, `3 minutes`, `2 hours`. */
export function inWords(seconds: number): string {
  const [unit, length] = UNITS.find(([, length]) => seconds >= 2 * length) ?? [
    'second',
    1,
  ];
  const count = Math.ceil(seconds / length);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
