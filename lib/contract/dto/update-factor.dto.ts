import { ValidateIf } from 'class-validator';
import { asOptionalText } from './from-wire.js';
import { IsText } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `PUT users/{unique_id}/factors/{factor}/`. */
export class UpdateFactorDto {
  /** What the site calls it. 1–255 characters; `null` clears it. */
  @WireName('name', asOptionalText)
  @ValidateIf(({ name }: UpdateFactorDto) => name !== null)
  @IsText()
  name!: string | null;
}
