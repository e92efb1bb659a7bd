import { IsIn, IsOptional } from 'class-validator';
import { asInteger, asOptionalText } from './from-wire.js';
import { IsText } from './is-text.decorator.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `POST users/{unique_id}/factors/`. */
export class CreateFactorDto {
  /** Kind of factor: `totp`, an authenticator app. */
  @WireName('kind')
  @IsIn(['totp'], { message: '$property must be "totp"' })
  kind!: 'totp';

  /** What the site calls it, for example "Work phone". 1–255 characters. @default none */
  @WireName('name', asOptionalText)
  @IsOptional()
  @IsText()
  name?: string | null | undefined;

  /** Hash algorithm. Several authenticator apps ignore any but SHA1. @default SHA1 */
  @WireName('algorithm')
  @IsOptional()
  @IsIn(['SHA1', 'SHA256', 'SHA512'], {
    message: '$property must be SHA1, SHA256 or SHA512',
  })
  algorithm?: 'SHA1' | 'SHA256' | 'SHA512' | undefined;

  /** Digits of a code. @default 6 */
  @WireName('digits', asInteger)
  @IsOptional()
  @IsIn([6, 8], { message: '$property must be 6 or 8' })
  digits?: 6 | 8 | undefined;

  /** How long a code is shown, seconds. @default 30 */
  @WireName('period', asInteger)
  @IsOptional()
  @IsIn([30, 60], { message: '$property must be 30 or 60' })
  period?: 30 | 60 | undefined;
}
