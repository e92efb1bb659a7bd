import { asText } from './from-wire.js';
import { IsText, IsUniqueId } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `POST check/`. */
export class CheckAuthDto {
  /** Id of the user. */
  @WireName('unique_id', asText)
  @IsUniqueId()
  uniqueId!: string;

  /** What the user typed: a code of any kind. 1–64 characters; spaces and dashes do not count. */
  @WireName('auth_code', asText)
  @IsText(64)
  authCode!: string;
}
