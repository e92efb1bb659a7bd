import { IsBoolean, IsOptional, ValidateIf } from 'class-validator';
import { Transform } from 'class-transformer';
import { asFlag, asMeta, asOptionalText, asText } from './from-wire.js';
import {
  IsOptionalEmail,
  IsOptionalPhoneNumber,
} from './is-contact.decorator.js';
import { IsMeta } from './is-meta.decorator.js';
import { IsText } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `PUT users/{unique_id}/`: what is left out stays, `null` clears. */
export class UpdateUserDto {
  /** Account name the user sees in their authenticator app. 1–255 characters. Cannot be cleared. */
  @WireName('display_name', asText)
  @ValidateIf((dto: UpdateUserDto) => dto.displayName !== undefined)
  @IsText()
  displayName?: string;

  /** Where codes by e-mail go. */
  @WireName('email', asOptionalText)
  @IsOptionalEmail()
  email?: string | null;

  /** Where codes by SMS go: E.164, or a US number without country code. */
  @WireName('sms_number', asOptionalText)
  @IsOptionalPhoneNumber()
  smsNumber?: string | null;

  /** Where codes by voice call go: E.164, or a US number without country code. */
  @WireName('voice_number', asOptionalText)
  @IsOptionalPhoneNumber()
  voiceNumber?: string | null;

  /** Anything of yours: a JSON object of at most 8 KiB. Replaces the whole of it. */
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

  /**
   * Give the user a new secret: codes of the old one stop working, a lock-out
   * ends, and the user has to enrol again. @default false
   */
  @WireName('reset_key', asFlag)
  @IsOptional()
  @IsBoolean({ message: '$property must be true or false' })
  resetKey?: boolean;
}
