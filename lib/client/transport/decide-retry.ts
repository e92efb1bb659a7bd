import type { RetryPolicy } from '../client.options.js';
import type { Effect } from './effect-of.js';
import type { Failure } from './failure.js';

/** The attempt that failed, as far as it decides whether there may be another. */
export interface Attempt {
  effect: Effect;
  policy: RetryPolicy;
  /**
   * Whether the access point that failed keeps the answers to idempotency
   * keys, and the one to be asked next has the same answers.
   */
  sharesAnswers: boolean;
}

/**
 * Decides whether a call goes on to the next access point after `failure`: the
 * one rule of retry.
 */
export function decideRetry(
  failure: Failure,
  { effect, policy, sharesAnswers }: Attempt,
): 'next' | 'stop' {
  // GAuthify has spoken: the next would say it again, and count it again.
  if (failure.kind === 'final') return 'stop';
  // Asked for by name: on after whatever is no answer, as the contract has it.
  if (policy === 'legacy') return 'next';
  // Nobody has acted, so another attempt is the first.
  if (failure.kind === 'unsent' || failure.kind === 'turned-away')
    return 'next';
  // From here on GAuthify may have acted, and its answer is lost. A second
  // time does no harm to what reads, or leaves things as they are.
  if (effect !== 'once') return 'next';
  // The other end knows this call by its key: it gives the first answer again.
  if (sharesAnswers) return 'next';
  // Two SMS, a right code called wrong, a new user called a conflict: better an
  // error, which says that nobody knows. A 5xx is no exception: a proxy answers
  // 502 and 504 of requests which the server behind it carried out.
  return 'stop';
}
