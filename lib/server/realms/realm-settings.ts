import type { MessageTexts } from '../settings/message-texts.js';
import { checkMessageTexts } from '../settings/message-texts.js';
import { checkCountry } from '../settings/check-country.js';
import { checkIssuer } from '../settings/check-issuer.js';
import { checkUrl } from '../settings/check-url.js';
import { isObject, shown } from '../settings/option-type.js';
import { refuseUnknown } from '../settings/refuse-unknown.js';
import { StartError } from '../settings/start-error.js';

/** What applies to a realm: what it sets for itself, otherwise the options of the server. */
export interface RealmSettings {
  /** Name shown in authenticator apps and messages. */
  readonly issuer: string;
  /** Where the ezGAuth page redirects the browser after a right code. */
  readonly returnUrl: string | undefined;
  /** Origins that may frame the ezGAuth page. */
  readonly frameAncestors: readonly string[];
  /** Countries that SMS and calls may go to, ISO 3166-1 alpha-2; `undefined`: all. */
  readonly countries: readonly string[] | undefined;
  /** Own texts, by language (ISO 639-1); a text that is missing is the built-in one. */
  readonly texts: Readonly<Record<string, Partial<MessageTexts>>>;
}

/** What a realm sets for itself. `null` clears. */
export interface RealmChanges {
  issuer?: string | null;
  returnUrl?: string | null;
  frameAncestors?: string[] | null;
  countries?: string[] | null;
  texts?: Record<string, Partial<MessageTexts>> | null;
  /** Any object; `GET realm/` answers it. */
  meta?: Record<string, unknown> | null;
}

const CHECKS: {
  [Name in keyof RealmChanges]-?: (value: unknown, name: string) => unknown;
} = {
  issuer: checkIssuer,
  returnUrl: (value, name) => checkUrl(value, name).href,
  frameAncestors: (value, name) =>
    listOf(value, name).map((origin) => checkUrl(origin, name).origin),
  countries: (value, name) =>
    listOf(value, name).map((country) => checkCountry(country, name)),
  texts: checkMessageTexts,
  meta: (value, name) => {
    if (isObject(value) && JSON.stringify(value).length <= 8192) return value;
    throw new StartError(
      `${name} must be an object of at most 8192 characters as JSON`,
    );
  },
};

/**
 * Checks settings of a realm.
 *
 * @throws StartError that names the first wrong one
 */
export function checkRealmChanges(changes: object): RealmChanges {
  refuseUnknown(changes, Object.keys(CHECKS), 'realm');
  return Object.fromEntries(
    Object.entries(changes)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [
        name,
        value === null
          ? null
          : CHECKS[name as keyof RealmChanges](value, `Setting ${name}`),
      ]),
  );
}

function listOf(value: unknown, name: string): string[] {
  if (
    Array.isArray(value) &&
    value.every((one): one is string => typeof one === 'string')
  )
    return value;
  throw new StartError(`${name} must be a list, but is ${shown(value)}`);
}
