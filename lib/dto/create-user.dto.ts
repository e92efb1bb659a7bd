import { IsOptional } from 'class-validator';
import { Transform } from 'class-transformer';
import { asMeta, asOptionalText, asText } from './from-wire.js';
import {
  IsOptionalEmail,
  IsOptionalPhoneNumber,
} from './is-contact.decorator.js';
import { IsMeta } from './is-meta.decorator.js';
import { IsText, IsUniqueId } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `POST users/`. */
export class CreateUserDto {
  /** Your id of the user, never shown to them. 1–255 characters, no control characters. */
  @WireName('unique_id', asText)
  @IsUniqueId()
  uniqueId!: string;

  /** Account name the user sees in their authenticator app. 1–255 characters. */
  @WireName('display_name', asText)
  @IsText()
  displayName!: string;

  /** Where codes by e-mail go. @default none */
  @WireName('email', asOptionalText)
  @IsOptionalEmail()
  email?: string | null;

  /** Where codes by SMS go: E.164, or a US number without country code. @default none */
  @WireName('sms_number', asOptionalText)
  @IsOptionalPhoneNumber()
  smsNumber?: string | null;

  /** Where codes by voice call go: E.164, or a US number without country code. @default none */
  @WireName('voice_number', asOptionalText)
  @IsOptionalPhoneNumber()
  voiceNumber?: string | null;

  /** Anything of yours: a JSON object of at most 8 KiB. @default none */
  @WireName('meta', asMeta)
  @Transform(
    ({ value }) => (value ? JSON.stringify(value) : (value as unknown)),
    {
      toPlainOnly: true,
    },
  )
  @IsOptional()
  @IsMeta()
  meta?: Record<string, unknown> | null;
}
