import type { Channel } from './channel.js';

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
   * Resolves once the message was handed over. A rejection makes the call fail
   * with 500 and gives the user's send allowance back; its message is not
   * logged, for it may hold the address.
   */
  send(message: Message): Promise<void>;
}

/** Injection token of `Record<Channel, Sender>`. */
export const SENDERS = Symbol('GAUTHIFY_SENDERS');
