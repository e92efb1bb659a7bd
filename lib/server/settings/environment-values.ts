import { StartError } from './start-error.js';

/** An environment, as `process.env`. An empty value counts as none. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws StartError */
export function parseBoolean(
  env: Environment,
  name: string,
  byDefault = 'false',
): boolean {
  const text = env[name] || byDefault;
  if (text !== 'true' && text !== 'false')
    throw new StartError(`${name} must be true or false, but is "${text}"`);
  return text === 'true';
}

/** @throws StartError unless the value is one of these */
export function parseOneOf<Value extends string>(
  env: Environment,
  name: string,
  allowed: readonly Value[],
  byDefault: Value,
): Value {
  const text = env[name] || byDefault;
  const value = allowed.find((one) => one === text);
  if (value === undefined)
    throw new StartError(
      `${name} must be ${OR.format(allowed)}, but is "${text}"`,
    );
  return value;
}

/** The entries of a list with commas between them. */
export const parseList = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

/** Whole seconds, as milliseconds. @throws StartError */
export function parseSeconds(
  env: Environment,
  name: string,
  byDefault: number,
): number {
  const text = env[name] || String(byDefault);
  if (!/^\d{1,4}$/.test(text))
    throw new StartError(
      `${name} must be a whole number of seconds below 10000, but is "${text}"`,
    );
  return Number(text) * 1000;
}

/** @throws StartError */
export function parsePort(name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65535))
    throw new StartError(
      `${name} must be a number from 0 to 65535, but is "${text}"`,
    );
  return port;
}

const OR = new Intl.ListFormat('en', { type: 'disjunction' });
