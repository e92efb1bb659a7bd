import type { Channel } from '../../contract/channel.js';

/** A message that carries a code to a user. */
export interface Message {
  channel: Channel;
  /** E-mail address, or E.164 number. */
  to: string;
  subject: string;
  /** The text that the user reads or hears; contains the code. A voice text has it twice, digit by digit. */
  text: string;
  /** The code alone, for senders that write their own text. */
  code: string;
  /** Language of the text, BCP 47: `de`, or `pt-BR` of a realm’s own texts. */
  locale: string;
  /** Realm of the user. */
  realm: string;
  /** The user's `unique_id`. */
  uniqueId: string;
}

/** Delivers messages of one or more channels. */
export interface Sender {
  /**
   * Resolves once the message has been handed over. A rejection means that it was
   * not: the next sender of the channel is asked; without one, the call fails with
   * 500, and the message does not count against the send limits, except for the
   * spacing. If that is unknown, as after a time-out, reject with
   * {@link DeliveryUnknownError}; to ask no other sender, with
   * {@link RecipientRefusedError}. Error messages are not logged: they may hold the
   * address. Their `code` and `responseCode` are.
   *
   * @param signal aborts 4 s after the message was accepted; half a second later, a message without an outcome counts as unknown
   */
  send(message: Message, signal: AbortSignal): Promise<void>;

  /** Ends connections. Called once, after the last message. */
  close?(): void | Promise<void>;
}

/**
 * It is unknown whether a message was handed over. It counts as sent, and a
 * repetition of the same request does not send it again.
 */
export class DeliveryUnknownError extends Error {
  override readonly name = 'DeliveryUnknownError';
}

/**
 * The recipient wants no messages, or must get none: no other sender of the channel is
 * asked. Nothing was sent.
 */
export class RecipientRefusedError extends Error {
  override readonly name = 'RecipientRefusedError';
}

/** Injection token of the senders of each channel, in their order. */
export const SENDERS = Symbol('GAUTHIFY_SENDERS');
