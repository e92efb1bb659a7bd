import {
  concatMap,
  defer,
  EMPTY,
  map,
  mergeAll,
  Observable,
  type ObservableInput,
  of,
  range,
  repeat,
} from 'rxjs';
import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import { calls } from './calls.js';
import {
  CALL_OPTIONS,
  type CallOptions,
  checkCallOptions,
} from './client.options.js';
import type { GAuthifyTransport } from './transport/call.js';
import { readList, readUser } from './transport/codec.js';

/** Options of `GAuthifyService.users`. Times are those of one page. */
export interface UsersOptions extends CallOptions {
  /** Users per request, 1–1000. @default 100 */
  pageSize?: number | undefined;
}

/** Users read in one turn of the event loop. */
const USERS_A_TURN = 100;

/**
 * All users, page by page: a page is requested when `each` is done with all of
 * the page before. See `GAuthifyService.users`, which is its public form.
 */
export function usersStream<R>(
  transport: GAuthifyTransport,
  given: UsersOptions | undefined,
  each?: (user: GAuthifyUser) => ObservableInput<R>,
): Observable<R | GAuthifyUser> {
  return defer(() => {
    const options = checkCallOptions(given, [...CALL_OPTIONS, 'pageSize']);
    const { pageSize = 100 }: UsersOptions = options;
    let after = '';
    let page = 0;
    let isLast = false;
    return defer(() => {
      const call = calls.users({ after, page: ++page, pageSize });
      return transport.call(call, options);
    }).pipe(
      map(readList),
      concatMap((users) => {
        const last =
          users.length > 0 ? readUser(users.at(-1)).uniqueId : undefined;
        // A short page need not be the last: a server may have a smaller limit.
        // A server that does not page gives all users, or the same ones again.
        if (last === undefined || last === after) {
          isLast = true;
          return EMPTY;
        }
        isLast = users.length > pageSize;
        after = last;
        const read$ = readInTurns(users);
        return each ? read$.pipe(concatMap((user) => each(user))) : read$;
      }),
      repeat({ delay: () => (isLast ? EMPTY : of(true)) }),
    );
  });
}

/** Reads users a few at a time: a server without pages gives all of them at once. */
function readInTurns(users: unknown[]): Observable<GAuthifyUser> {
  const turns = Math.ceil(users.length / USERS_A_TURN);
  return range(0, turns).pipe(
    concatMap((turn) => {
      const some = users.slice(turn * USERS_A_TURN, (turn + 1) * USERS_A_TURN);
      return turn === 0 ? of(some) : nextTurn$.pipe(map(() => some));
    }),
    mergeAll(),
    map((user) => readUser(user)),
  );
}

/** Emits when timers and sockets have had their turn. */
const nextTurn$ = new Observable<void>((subscriber) => {
  const immediate = setImmediate(() => {
    subscriber.next();
    subscriber.complete();
  });
  return () => clearImmediate(immediate);
});
