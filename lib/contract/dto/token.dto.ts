import { IsText } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `POST token/`. */
export class TokenDto {
  /** What ezGAuth handed to the browser: `gat` and 32 characters. Anything else is "not found", never "malformed". */
  @WireName('token')
  @IsText()
  token!: string;
}
