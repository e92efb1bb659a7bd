import { Transform } from 'class-transformer';
import {
  IsEmail,
  IsOptional,
  IsPhoneNumber,
  Length,
  Matches,
  MaxLength,
} from 'class-validator';
import { asText, asTrimmedText } from './read-form.js';

/** Longest name. */
export const MAX_NAME_LENGTH = 40;

const NAME_MESSAGE = `Choose a name of 1 to ${MAX_NAME_LENGTH} letters, digits, dots, dashes or underscores.`;

/** The form of `/register`, and the least that is wrong with it. */
export class RegisterForm {
  @Transform(asTrimmedText)
  @MaxLength(MAX_NAME_LENGTH, { message: NAME_MESSAGE })
  @Matches(/^[\p{L}\p{M}\p{N}._-]+$/u, { message: NAME_MESSAGE })
  name!: string;

  @Transform(asText)
  @Length(8, 256, { message: 'Choose a password of at least 8 characters.' })
  password!: string;

  @Transform((params) => asTrimmedText(params) || null)
  @IsOptional()
  @IsEmail(undefined, {
    message: 'This is not an e-mail address. Correct it, or leave it empty.',
  })
  email!: string | null;

  @Transform((params) => asTrimmedText(params) || null)
  @IsOptional()
  @IsPhoneNumber(undefined, {
    message:
      'This is not a phone number. Begin with + and the country code, or leave it empty.',
  })
  phone!: string | null;
}
