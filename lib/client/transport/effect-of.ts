import type { WireCall } from './wire-call.js';

/**
 * What a call does to GAuthify, and so whether it may be made twice:
 * `none` reads; `repeatable` leaves things as one call would; `once` does not.
 */
export type Effect = 'none' | 'repeatable' | 'once';

/** The {@link Effect} of a call. */
export function effectOf({ method, path, params }: WireCall): Effect {
  switch (method) {
    case 'GET':
      return 'none';
    case 'DELETE':
      // Deleted is deleted. The repetition may say 404, which is then true.
      return 'repeatable';
    case 'PUT':
      // The same values twice are the same values [RFC 9110 §9.2.2], but each
      // reset makes another secret: whoever scanned the first is locked out.
      return params?.['reset_key'] === 'true' ? 'once' : 'repeatable';
    case 'POST':
      // A token is traded once however often it is presented: a repetition
      // trades it if the first did not arrive, and is a 404 if it did. Not to
      // repeat would leave the caller without the user in both cases.
      if (path === 'token/') return 'repeatable';
      // users/: the repetition says "exists", of a user this very call made.
      // check/: it says "wrong" of the right code, which the first used up.
      // email/, sms/, voice/: the person gets two codes, and the first is dead.
      return 'once';
  }
}
