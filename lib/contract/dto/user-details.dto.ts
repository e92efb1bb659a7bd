import { IsOptional } from 'class-validator';
import { Transform } from 'class-transformer';
import { asMeta, asOptionalText } from './from-wire.js';
import {
  IsOptionalEmail,
  IsOptionalPhoneNumber,
} from './is-contact.decorator.js';
import { IsMeta } from './is-meta.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** What a user may have or not. Creating one, what is left out is none; changing one, it stays, and `null` clears. */
export abstract class UserDetailsDto {
  /** Where codes by e-mail go. */
  @WireName('email', asOptionalText)
  @IsOptionalEmail()
  email?: string | null | undefined;

  /** Where codes by SMS go: E.164, or a US number without country code. */
  @WireName('sms_number', asOptionalText)
  @IsOptionalPhoneNumber()
  smsNumber?: string | null | undefined;

  /** Where codes by voice call go: E.164, or a US number without country code. */
  @WireName('voice_number', asOptionalText)
  @IsOptionalPhoneNumber()
  voiceNumber?: string | null | undefined;

  /** Anything of yours: a JSON object of at most 8 KiB. */
  @WireName('meta', asMeta)
  @Transform(
    ({ value }) => (value ? JSON.stringify(value) : (value as unknown)),
    {
      toPlainOnly: true,
    },
  )
  @IsOptional()
  @IsMeta()
  meta?: Record<string, unknown> | null | undefined;
}
