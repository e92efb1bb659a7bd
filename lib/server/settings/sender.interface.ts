import type { Channel } from '../../contract/channel.js';

/** A code on its way to a user. */
export interface Message {
  channel: Channel;
  /** E-mail address, or E.164 number. */
  to: string;
  subject: string;
  /** What the user reads or hears; contains the code. */
  text: string;
  /** Realm of the user. */
  realm: string;
  /** The user's `unique_id`. */
  uniqueId: string;
}

/** Delivers messages of one or more channels. */
export interface Sender {
  /**
   * Resolves once the message was handed over. A rejection says that it was not:
   * the call fails with 500, and the user's send allowance is given back. Where
   * nobody can tell, as after a time-out, reject with {@link DeliveryUnknownError}.
   * Messages of errors are not logged, for they may hold the address.
   */
  send(message: Message): Promise<void>;
}

/**
 * Nobody knows whether a message was handed over: it counts as sent, and is not
 * sent again by a repetition of the same request.
 */
export class DeliveryUnknownError extends Error {
  override readonly name = 'DeliveryUnknownError';
}

/** Injection token of `Record<Channel, Sender>`. */
export const SENDERS = Symbol('GAUTHIFY_SENDERS');
