import { parsePhoneNumberFromString } from 'libphonenumber-js/min';

/** The last results: a number is validated, and then asked for its form. */
const recent = new Map<string, string | undefined>();
const MAX_RECENT = 8;

/**
 * The E.164 form of a phone number, `undefined` where it is none. A number
 * without a country code is read as one of the US [contract]. A plus sign that a form
 * did not encode arrives as a space.
 */
export function toE164(value: string): string | undefined {
  if (value.length > 64) return undefined;
  if (recent.has(value)) return recent.get(value);
  const found =
    (value.startsWith(' ') ? parse(`+${value.slice(1)}`) : undefined) ??
    parse(value);
  if (recent.size >= MAX_RECENT) recent.delete(recent.keys().next().value!);
  recent.set(value, found);
  return found;
}

function parse(value: string): string | undefined {
  const number = parsePhoneNumberFromString(value, {
    defaultCountry: 'US',
    extract: false,
  });
  return number?.isValid() && !number.ext ? number.number : undefined;
}
