import { StartError } from './start-error.js';

/** What the value of an option must be. */
export interface OptionType {
  matches: (value: unknown) => boolean;
  /** Completes "must be …". */
  description: string;
  /** Whether the value may hold a password or key, and so is not shown. @default false */
  isSecret?: boolean;
}

/** Whether a value is an object: no array, no `null`. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isString = (value: unknown): value is string =>
  typeof value === 'string';

/** Any string. */
export const TEXT: OptionType = { matches: isString, description: 'a string' };

/** An array; its entries are checked elsewhere. */
export const arrayOf = (description: string, isSecret = false): OptionType => ({
  matches: Array.isArray,
  description: `an array of ${description}`,
  isSecret,
});

/** An object; its members are checked elsewhere. */
export const objectLike = (
  description: string,
  isSecret = false,
): OptionType => ({
  matches: isObject,
  description: `an object ${description}`,
  isSecret,
});

/** One of these values. */
export function oneOf(...allowed: (string | boolean)[]): OptionType {
  return {
    matches: (value) => (allowed as unknown[]).includes(value),
    description: allowed.map((one) => JSON.stringify(one)).join(' or '),
  };
}

/**
 * Checks the types of options, which no compiler does for JavaScript or for what
 * a `useFactory` reads from elsewhere. An option that is `undefined` is left out.
 *
 * @throws StartError naming the first option that is of another type
 */
export function checkTypes<Options extends object>(
  options: Options,
  types: Readonly<Record<keyof Options, OptionType>>,
  /** Before the names of the options: `metrics.` */
  path = '',
): void {
  for (const name of Object.keys(types) as (keyof Options & string)[]) {
    const value: unknown = options[name];
    if (value === undefined || types[name].matches(value)) continue;
    const { description, isSecret } = types[name];
    throw new StartError(
      `Option ${path}${name} must be ${description}, but is ${isSecret ? kindOf(value) : shown(value)}`,
    );
  }
}

/** A value for an error message: of an object or function only its kind. */
export function shown(value: unknown): string {
  return value === null || /^(boolean|number|string)$/.test(typeof value)
    ? JSON.stringify(value)
    : kindOf(value);
}

/** The kind of a value, without the value. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
