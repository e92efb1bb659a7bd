import { IsBoolean, IsOptional, ValidateIf } from 'class-validator';
import { asFlag, asText } from './from-wire.js';
import { IsText } from './is-text.decorator.js';
import { UserDetailsDto } from './user-details.dto.js';
import { WireName } from './wire-name.decorator.js';

/** Body of `PUT users/{unique_id}/`: what is left out stays, `null` clears. */
export class UpdateUserDto extends UserDetailsDto {
  /** Account name the user sees in their authenticator app. 1–255 characters. Cannot be cleared. */
  @WireName('display_name', asText)
  @ValidateIf((dto: UpdateUserDto) => dto.displayName !== undefined)
  @IsText()
  displayName?: string | undefined;

  /**
   * Give the user a new secret: codes of the old one stop working, a lock-out
   * ends, and the user has to enrol again. @default false
   */
  @WireName('reset_key', asFlag)
  @IsOptional()
  @IsBoolean({ message: '$property must be true or false' })
  resetKey?: boolean | undefined;

  /**
   * With `resetKey`: the user changes their secret themselves and goes on to
   * count as enrolled, so that nobody who has only their password can come in
   * between. Not in the contract; other servers ignore it. @default false
   */
  @WireName('keep_enrolled', asFlag)
  @IsOptional()
  @IsBoolean({ message: '$property must be true or false' })
  keepEnrolled?: boolean | undefined;

  /**
   * With `resetKey`: only while the user is not enrolled; else it is a
   * `ConflictError` with the code `user_enrolled`, and nothing is changed. So
   * an app that is confirmed at this very moment is not replaced by who read
   * just before that there was none. Not in the contract; other servers ignore
   * it. @default false
   */
  @WireName('unless_enrolled', asFlag)
  @IsOptional()
  @IsBoolean({ message: '$property must be true or false' })
  unlessEnrolled?: boolean | undefined;
}
