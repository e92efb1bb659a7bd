import { ListUsersDto } from '../../contract/dto/list-users.dto.js';
import { formOf, toParams } from './to-params.js';

/**
 * The query of a page of users. Both ways to page at once: our server goes by
 * `after`, others by `page`.
 *
 * @throws ParameterError naming what is wrong
 */
export const usersQuery = (page: ListUsersDto): string =>
  formOf(toParams(ListUsersDto, page));
