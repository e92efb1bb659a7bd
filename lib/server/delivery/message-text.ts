import type { Channel } from '../../contract/channel.js';

/** The text that a user reads or hears with a code. */
export function messageText(
  channel: Channel,
  issuer: string,
  code: string,
  ttlSeconds: number,
): { subject: string; text: string } {
  const subject = `Your ${issuer} verification code`;
  const minutes = Math.max(1, Math.round(ttlSeconds / 60));
  if (channel === 'voice') {
    // Read digit by digit, and twice: few people can write down a code the first time.
    const spoken = [...code].join(', ');
    return {
      subject,
      text: `Your ${issuer} verification code is ${spoken}. Again: ${spoken}.`,
    };
  }
  return {
    subject,
    text: `${code} is your ${issuer} verification code. It works once, for ${minutes} minute${minutes === 1 ? '' : 's'}. Never tell it to anyone who calls or writes to you.`,
  };
}
