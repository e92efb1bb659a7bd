import { shown } from './option-type.js';
import { StartError } from './start-error.js';

/** A country, ISO 3166-1 alpha-2. @param name starts the error @throws StartError */
export function checkCountry(country: unknown, name: string): string {
  if (typeof country === 'string' && /^[A-Z]{2}$/.test(country)) return country;
  throw new StartError(
    `${name} must be two capital letters each (ISO 3166-1), such as DE, but one is ${shown(country)}`,
  );
}
