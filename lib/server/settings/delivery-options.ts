import { CHANNELS } from '../../contract/channel.js';
import { isString, shown } from './option-type.js';
import { refuseUnknown } from './refuse-unknown.js';
import type { Sender } from './sender.interface.js';
import { StartError } from './start-error.js';

/** @throws StartError */
export function checkSmtp(smtp: { url: unknown; from: unknown }): void {
  refuseUnknown(smtp, ['url', 'from'], 'smtp');
  const { url, from } = smtp;
  if (
    !isString(url) ||
    !URL.canParse(url) ||
    !/^smtps?:$/.test(new URL(url).protocol)
  )
    throw new StartError(
      'Option smtp.url must be an smtp:// or smtps:// URL (its value is not shown: it may hold a password)',
    );
  if (!isString(from) || !/^[^\r\n@]+@[^\r\n@]+$/.test(from))
    throw new StartError(
      `Option smtp.from must be an e-mail address, but is ${shown(from)}`,
    );
}

/** @throws StartError */
export function checkSenders(senders: object): void {
  refuseUnknown(senders, CHANNELS, 'senders');
  for (const [channel, sender] of Object.entries(senders))
    if (
      sender !== undefined &&
      typeof (sender as Partial<Sender> | null)?.send !== 'function'
    )
      throw new StartError(
        `Option senders.${channel} must be an object with a method send(message), but is ${shown(sender)}`,
      );
}
