import { parsePhoneNumberFromString } from 'libphonenumber-js/min';

/**
 * The E.164 form of a phone number, `undefined` where it is none. A number
 * without a country code is read as one of the US [contract].
 */
export function toE164(value: string): string | undefined {
  if (value.length > 64) return undefined;
  const number = parsePhoneNumberFromString(value, {
    defaultCountry: 'US',
    extract: false,
  });
  return number?.isValid() && !number.ext ? number.number : undefined;
}
