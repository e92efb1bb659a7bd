import type { ListUsersDto } from '../../contract/dto/list-users.dto.js';
import type { Queries } from '../store/database.js';
import type { UserRow } from '../store/schema.js';

const DEFAULT_PAGE_SIZE = 100;

/** Users read and shown at a time: takes a few milliseconds, during which no other request is answered. */
const READ_AT_ONCE = 50;

/**
 * Pages of users: oldest first, or by `unique_id` if `after` is given; all of
 * them without `page`. Keyset pagination: each page starts after the last user of
 * the page before, so that no user is missed or repeated while others are
 * created and deleted.
 *
 * @param read reads one page, and what belongs to its users
 */
export async function* listUsers<User extends UserRow>(
  read: (page: (db: Queries) => Promise<UserRow[]>) => Promise<User[]>,
  realm: string,
  { page, pageSize, after }: ListUsersDto,
): AsyncGenerator<User[], void> {
  const size = pageSize ?? DEFAULT_PAGE_SIZE;
  const isWhole =
    after === undefined && page === undefined && pageSize === undefined;
  let left = isWhole ? Infinity : size;
  let last: User | undefined;
  do {
    const limit = Math.min(left, READ_AT_ONCE);
    const offset = last ? 0 : ((page ?? 1) - 1) * size;
    const previous = last;
    const users: User[] = await read((db) =>
      after === undefined
        ? oldestFirst(db, realm, previous, limit, offset)
        : byUniqueId(db, realm, previous?.unique_id ?? after, limit),
    );
    if (users.length > 0) yield users;
    if (users.length < limit) return;
    left -= users.length;
    last = users.at(-1);
  } while (left > 0);
}

/** The users of a realm: nothing reads users of another one. */
export function inRealm(db: Queries, realm: string) {
  return db.selectFrom('users').selectAll().where('realm', '=', realm);
}

function oldestFirst(
  db: Queries,
  realm: string,
  last: UserRow | undefined,
  limit: number,
  offset: number,
): Promise<UserRow[]> {
  return inRealm(db, realm)
    .$if(last !== undefined, (query) =>
      query.where((eb) =>
        eb(
          eb.refTuple('created_at', 'id'),
          '>',
          eb.tuple(last!.created_at, last!.id),
        ),
      ),
    )
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .offset(offset)
    .execute();
}

function byUniqueId(
  db: Queries,
  realm: string,
  after: string,
  limit: number,
): Promise<UserRow[]> {
  return inRealm(db, realm)
    .where('unique_id', '>', after)
    .orderBy('unique_id')
    .limit(limit)
    .execute();
}
