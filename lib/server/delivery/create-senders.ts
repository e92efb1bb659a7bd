import { CHANNELS, type Channel } from '../../contract/channel.js';
import type { Sender } from '../settings/sender.interface.js';
import type { GAuthifyServerOptions } from '../settings/server.options.js';
import { HttpSender } from './http-sender.js';
import type { Outbox } from './outbox.js';
import { SmtpSender } from './smtp-sender.js';
import { TwilioSender } from './twilio-sender.js';

/** The name of the outbox among the senders. */
export const OUTBOX = 'outbox';

/** A sender, with its name for people. */
export interface NamedSender {
  name: string;
  sender: Sender;
}

interface Plan {
  name: string;
  create: () => Sender | Promise<Sender>;
}

/**
 * The senders of each channel, in the order in which they are asked: the
 * application's own, otherwise those that the options name, otherwise the outbox.
 *
 * @throws StartError if a package is missing
 */
export async function createSenders(
  options: GAuthifyServerOptions,
  outbox: Outbox,
): Promise<Record<Channel, NamedSender[]>> {
  const entries = CHANNELS.map(async (channel) => {
    const senders = plansOf(options, channel).map(async ({ name, create }) => ({
      name,
      sender: await create(),
    }));
    return [
      channel,
      senders.length > 0
        ? await Promise.all(senders)
        : [{ name: OUTBOX, sender: outbox }],
    ] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<
    Channel,
    NamedSender[]
  >;
}

/** By what each channel is sent, for people. */
export function describeSenders(
  options: GAuthifyServerOptions,
): Record<Channel, string> {
  const entries = CHANNELS.map((channel) => [
    channel,
    plansOf(options, channel)
      .map(({ name }) => name)
      .join(', then ') || OUTBOX,
  ]);
  return Object.fromEntries(entries) as Record<Channel, string>;
}

/** Says which channels only keep their messages; `undefined` if none does. */
export function undelivered(
  options: GAuthifyServerOptions,
): string | undefined {
  const { email, sms, voice } = describeSenders(options);
  const lost = [
    email === OUTBOX && 'e-mail (set SMTP_URL and MAIL_FROM)',
    sms === OUTBOX && 'SMS (set TWILIO_ACCOUNT_SID or SMS_HTTP_URL)',
    voice === OUTBOX && 'voice (set TWILIO_ACCOUNT_SID or VOICE_HTTP_URL)',
  ].filter((one) => one !== false);
  return lost.length === 0
    ? undefined
    : `Messages of these channels are kept in the outbox and not delivered: ${lost.join(', ')}`;
}

function plansOf(options: GAuthifyServerOptions, channel: Channel): Plan[] {
  const { senders, smtp, twilio, smsHttp, voiceHttp } = options;
  const own = senders?.[channel];
  if (own)
    return [own].flat().map((sender) => ({
      name: 'a sender of the application',
      create: () => sender,
    }));
  const http = { email: undefined, sms: smsHttp, voice: voiceHttp }[channel];
  const plans: Plan[] = [];
  if (channel === 'email') {
    if (smtp) plans.push({ name: 'SMTP', create: () => new SmtpSender(smtp) });
  } else if (twilio)
    plans.push({ name: 'Twilio', create: () => TwilioSender.load(twilio) });
  if (http)
    plans.push({ name: 'HTTP gateway', create: () => new HttpSender(http) });
  return plans;
}
