import { asText } from '../../contract/dto/from-wire.js';
import { IsUniqueId } from '../../contract/dto/is-text.decorator.js';
import { WireName } from '../../contract/dto/wire-name.decorator.js';
import { validated } from './to-params.js';

class UserPath {
  @WireName('unique_id', asText)
  @IsUniqueId()
  uniqueId!: string;
}

/**
 * Path of a user. Percent-encoded, so that an id such as `a/../b` or `a?b`
 * stays that user's and does not become another path.
 *
 * @throws ParameterError where the id is none
 */
export function userPath(uniqueId: unknown): string {
  return `users/${encodeURIComponent(validated(UserPath, { uniqueId }).uniqueId)}/`;
}
