import { asOptionalText, asText } from './from-wire.js';
import { IsOptionalPhoneNumber } from './is-contact.decorator.js';
import { IsUniqueId } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `POST voice/`. */
export class SendVoiceDto {
  /** Id of the user. */
  @WireName('unique_id', asText)
  @IsUniqueId()
  uniqueId!: string;

  /** Where to send, this once; not stored. @default the user's own */
  @WireName('voice_number', asOptionalText)
  @IsOptionalPhoneNumber()
  voiceNumber?: string | null | undefined;
}
