import {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from '../settings/sender.interface.js';

/** Asks senders in order: the next one where the one before certainly did not send. */
export class FailOverSender implements Sender {
  constructor(private readonly senders: readonly Sender[]) {}

  async send(message: Message): Promise<void> {
    let failure: unknown = new Error('There is no sender');
    for (const sender of this.senders)
      try {
        return await sender.send(message);
      } catch (error) {
        // A second message would be a second code for the same moment.
        if (error instanceof DeliveryUnknownError) throw error;
        failure = error;
      }
    throw failure;
  }
}
