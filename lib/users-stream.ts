import {
  concatMap,
  defer,
  EMPTY,
  from,
  of,
  repeat,
  type Observable,
} from 'rxjs';
import type { GAuthifyUser } from './dto/gauthify-user.dto.js';

/** Asks for the page that comes after a user, `''`: the first; `page` is its number, from 1. */
export type AskPage = (
  after: string,
  page: number,
) => Observable<GAuthifyUser[]>;

/**
 * All users, page by page: a page is asked for when all of the one before it
 * is through `each`. See `GAuthifyService.users`, which is its public form.
 */
export function usersStream<R>(
  askPage: AskPage,
  pageSize: number,
  each: (users: Observable<GAuthifyUser>) => Observable<R>,
): Observable<R> {
  return defer(() => {
    let after = '';
    let page = 0;
    let isLast = false;
    return defer(() => askPage(after, ++page)).pipe(
      concatMap((users) => {
        const last = users.at(-1)?.uniqueId;
        // A short page is not the last of a server that has a limit of its own.
        // One that pages in no way we know gives all, or the same users again.
        if (last === undefined || last === after) {
          isLast = true;
          return EMPTY;
        }
        isLast = users.length > pageSize;
        after = last;
        return each(from(users));
      }),
      repeat({ delay: () => (isLast ? EMPTY : of(true)) }),
    );
  });
}
