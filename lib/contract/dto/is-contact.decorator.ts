import { applyDecorators } from '@nestjs/common';
import {
  isEmail,
  IsOptional,
  Matches,
  registerDecorator,
} from 'class-validator';
import { toE164 } from './phone-number.js';

/**
 * An e-mail address of at most 254 characters [RFC 5321 §4.5.3.1.3], or no value.
 * Its local part is not quoted: quoting spells one mailbox in many ways [RFC 5321 §4.1.2].
 */
export function IsOptionalEmail(): PropertyDecorator {
  return applyDecorators(
    IsOptional(),
    (target: object, property: string | symbol) =>
      registerDecorator({
        name: 'isEmail',
        target: target.constructor,
        propertyName: String(property),
        options: { message: '$property must be an e-mail address' },
        validator: {
          validate: (value: unknown) =>
            typeof value === 'string' &&
            // `isEmail` throws otherwise.
            !/\p{Surrogate}/u.test(value) &&
            isEmail(value),
        },
      }),
    // A line break would begin a new header in a message that is built by hand.
    Matches(/^\P{Cc}*$/u, {
      message: '$property must not contain control characters',
    }),
    Matches(/^[^"]*$/, {
      message: '$property must not contain quotation marks',
    }),
  );
}

/** A phone number, E.164 or national of the US [contract], or no value. */
export function IsOptionalPhoneNumber(): PropertyDecorator {
  return applyDecorators(
    IsOptional(),
    (target: object, property: string | symbol) =>
      registerDecorator({
        name: 'isPhoneNumber',
        target: target.constructor,
        propertyName: String(property),
        options: {
          message:
            '$property must be a valid phone number: E.164 (+442083661177), or a US number without country code',
        },
        validator: {
          validate: (value: unknown) =>
            typeof value === 'string' && toE164(value) !== undefined,
        },
      }),
  );
}
