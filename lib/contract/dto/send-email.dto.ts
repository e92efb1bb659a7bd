import { asOptionalText, asText } from './from-wire.js';
import { IsOptionalEmail } from './is-contact.decorator.js';
import { IsUniqueId } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `POST email/`. */
export class SendEmailDto {
  /** Id of the user. */
  @WireName('unique_id', asText)
  @IsUniqueId()
  uniqueId!: string;

  /** Where to send, this once; not stored. @default the user's own */
  @WireName('email', asOptionalText)
  @IsOptionalEmail()
  email?: string | null | undefined;
}
