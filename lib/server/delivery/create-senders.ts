import type { GAuthifyServerOptions } from '../settings/server-options.js';
import type { Channel } from '../../contract/channel.js';
import type { Outbox } from './outbox.js';
import type { Sender } from '../settings/sender.interface.js';
import { SmtpSender } from './smtp-sender.js';

/** Who delivers what: the options' own senders, then SMTP, then the outbox. */
export function createSenders(
  { senders, smtp }: GAuthifyServerOptions,
  outbox: Outbox,
): Record<Channel, Sender> {
  return {
    email: senders?.email ?? (smtp ? new SmtpSender(smtp) : outbox),
    sms: senders?.sms ?? outbox,
    voice: senders?.voice ?? outbox,
  };
}
