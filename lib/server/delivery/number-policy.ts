import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { ParameterError } from '../../contract/errors/parameter.error.js';

/** Last digits of a number that its block leaves open: a block has 10,000 numbers. */
const BLOCK_DIGITS = 4;
/**
 * Longest block, with the plus sign. In some countries numbers differ in length (Austria,
 * Germany): each more digit of one prefix would be ten blocks more.
 */
const LONGEST_BLOCK = 10;

/** Kinds of numbers that cost the caller, reach nobody, or are no person's. */
const REFUSED: readonly (string | undefined)[] = [
  'PREMIUM_RATE',
  'SHARED_COST',
  'UAN',
  'PAGER',
  'VOICEMAIL',
  'PERSONAL_NUMBER',
  'TOLL_FREE',
];

/** Where a number is. */
export interface NumberPlace {
  /** ISO 3166-1 alpha-2; the country code where a number is of none. */
  country: string;
  /** The number without its last four digits, and at most nine digits of it. */
  block: string;
}

/**
 * Checks that a code may be sent to a number.
 *
 * @param countries to which it may go; `undefined`: all
 * @throws ParameterError `country_not_allowed` or `number_not_supported`
 */
export function placeOf(
  channel: 'sms' | 'voice',
  to: string,
  countries: readonly string[] | undefined,
): NumberPlace {
  const number = parsePhoneNumberFromString(to);
  const country = number?.country ?? `+${number?.countryCallingCode ?? ''}`;
  if (countries && !countries.includes(country))
    throw new ParameterError(
      'No SMS or calls go to the country of this number',
      { errorCode: 'country_not_allowed' },
    );
  const type = number?.getType();
  // Satellite and international networks: dear to call, and no country where it is noticed.
  if (number?.country === undefined)
    throw new ParameterError(
      'The number is of no country: give one of a country',
      { errorCode: 'number_not_supported' },
    );
  if (REFUSED.includes(type) || (channel === 'sms' && type === 'FIXED_LINE'))
    throw new ParameterError(
      channel === 'sms'
        ? 'The number cannot receive SMS, or costs extra: give a mobile number'
        : 'The number is of a service, or costs extra: give the number of a person',
      { errorCode: 'number_not_supported' },
    );
  return { country, block: to.slice(0, -BLOCK_DIGITS).slice(0, LONGEST_BLOCK) };
}
