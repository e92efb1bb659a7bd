import type { Channel } from '../../contract/channel.js';

/** What a user reads, or hears, about a code. */
export function messageText(
  channel: Channel,
  issuer: string,
  code: string,
  ttlSeconds: number,
): { subject: string; text: string } {
  const subject = `Your ${issuer} verification code`;
  const minutes = Math.max(1, Math.round(ttlSeconds / 60));
  if (channel === 'voice') {
    // Read digit by digit, and twice: nobody writes down a code at first hearing.
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
