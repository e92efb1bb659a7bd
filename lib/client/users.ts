import {
  concatMap,
  defer,
  EMPTY,
  map,
  mergeAll,
  Observable,
  of,
  range,
  repeat,
} from 'rxjs';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import { readUser } from './transport/read-data.js';

/** Users read in one turn of the event loop. */
const USERS_A_TURN = 100;

/** Asks for the page that comes after a user, `''`: the first; `page` is its number, from 1. */
export type AskPage = (after: string, page: number) => Observable<unknown[]>;

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
        const last =
          users.length > 0 ? readUser(users.at(-1)).uniqueId : undefined;
        // A short page is not the last of a server that has a limit of its own.
        // One that pages in no way we know gives all, or the same users again.
        if (last === undefined || last === after) {
          isLast = true;
          return EMPTY;
        }
        isLast = users.length > pageSize;
        after = last;
        return each(readInTurns(users));
      }),
      repeat({ delay: () => (isLast ? EMPTY : of(true)) }),
    );
  });
}

/** Reads users a few at a time: a server without pages may give all it has at once. */
function readInTurns(users: unknown[]): Observable<GAuthifyUser> {
  const turns = Math.ceil(users.length / USERS_A_TURN);
  return range(0, turns).pipe(
    concatMap((turn) => {
      const some = users.slice(turn * USERS_A_TURN, (turn + 1) * USERS_A_TURN);
      return turn === 0 ? of(some) : nextTurn$.pipe(map(() => some));
    }),
    mergeAll(),
    map(readUser),
  );
}

/** Emits once timers and sockets had their turn. */
const nextTurn$ = new Observable<void>((subscriber) => {
  const immediate = setImmediate(() => {
    subscriber.next();
    subscriber.complete();
  });
  return () => clearImmediate(immediate);
});
