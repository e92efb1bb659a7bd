import type { Channel } from '../../contract/channel.js';
import type { Sender } from '../settings/sender.interface.js';
import type { GAuthifyServerOptions } from '../settings/server.options.js';
import { FailOverSender } from './fail-over-sender.js';
import { HttpSender } from './http-sender.js';
import type { Outbox } from './outbox.js';
import { SmtpSender } from './smtp-sender.js';
import { TwilioSender } from './twilio-sender.js';

/**
 * The sender of each channel: the application's own, otherwise those that the
 * options name, otherwise the outbox.
 *
 * @throws StartError if a package is missing
 */
export async function createSenders(
  options: GAuthifyServerOptions,
  outbox: Outbox,
): Promise<Record<Channel, Sender>> {
  const { senders, smtp, smsHttp, voiceHttp } = options;
  const twilio = options.twilio && (await TwilioSender.load(options.twilio));
  const inOrder = (...all: (Sender | undefined)[]): Sender => {
    const [first, ...others] = all.filter((one) => one !== undefined);
    if (!first) return outbox;
    return others.length > 0 ? new FailOverSender([first, ...others]) : first;
  };
  return {
    email: senders?.email ?? inOrder(smtp && new SmtpSender(smtp)),
    sms: senders?.sms ?? inOrder(twilio, smsHttp && new HttpSender(smsHttp)),
    voice:
      senders?.voice ?? inOrder(twilio, voiceHttp && new HttpSender(voiceHttp)),
  };
}

/** By what each channel is sent, for people. */
export function describeSenders(
  options: GAuthifyServerOptions,
): Record<Channel, string> {
  const { senders, smtp, twilio, smsHttp, voiceHttp } = options;
  const inOrder = (...all: (string | false)[]) =>
    all.filter((one) => one !== false).join(', then ') || 'outbox';
  const by = (channel: Channel, ...all: (string | false)[]) =>
    senders?.[channel] ? 'a sender of the application' : inOrder(...all);
  return {
    email: by('email', smtp !== undefined && 'SMTP'),
    sms: by('sms', !!twilio && 'Twilio', !!smsHttp && 'HTTP gateway'),
    voice: by('voice', !!twilio && 'Twilio', !!voiceHttp && 'HTTP gateway'),
  };
}
