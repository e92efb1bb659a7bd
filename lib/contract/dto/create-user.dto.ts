import { asText } from './from-wire.js';
import { IsText, IsUniqueId } from './is-text.decorator.js';
import { UserDetailsDto } from './user-details.dto.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `POST users/`. */
export class CreateUserDto extends UserDetailsDto {
  /** Your id of the user, never shown to them. 1–255 characters, no control characters. */
  @WireName('unique_id', asText)
  @IsUniqueId()
  uniqueId!: string;

  /** Account name the user sees in their authenticator app. 1–255 characters. */
  @WireName('display_name', asText)
  @IsText()
  displayName!: string;
}
