import type { Twilio } from 'twilio';
import {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from '../settings/sender.interface.js';
import type { TwilioOptions } from '../settings/delivery-options.js';
import { StartError } from '../settings/start-error.js';
import { isNotConnected } from './send-errors.js';

/** Below the 5 s that a client waits for an answer. */
const TIMEOUT_MS = 4_000;

/** Twilio's names of the languages that it speaks. */
const SPOKEN: Readonly<Record<string, string>> = {
  en: 'en-US',
  de: 'de-DE',
  es: 'es-ES',
  fr: 'fr-FR',
  ar: 'arb',
};

/** SMS and calls by Twilio, or a gateway with the same API. */
export class TwilioSender implements Sender {
  private constructor(
    private readonly client: Twilio,
    private readonly from: string,
  ) {}

  /** @throws StartError without the package `twilio` */
  static async load({
    accountSid,
    authToken,
    from,
    baseUrl,
  }: TwilioOptions): Promise<TwilioSender> {
    const { default: twilio } = await loadTwilio();
    const httpClient = new twilio.RequestClient({
      timeout: TIMEOUT_MS,
      autoRetry: false,
    });
    const request = httpClient.request.bind(httpClient);
    httpClient.request = (options) =>
      request({
        ...options,
        uri: baseUrl ? at(baseUrl, options.uri) : options.uri,
        allowRedirects: false,
      });
    return new TwilioSender(
      twilio(accountSid, authToken, { httpClient }),
      from,
    );
  }

  async send(message: Message): Promise<void> {
    const { client, from } = this;
    const { to } = message;
    try {
      await (message.channel === 'voice'
        ? client.calls.create({ from, to, twiml: spoken(message) })
        : client.messages.create({ from, to, body: message.text }));
    } catch (error) {
      const { status } = error as { status?: number };
      const isRefused = status !== undefined && status >= 300 && status < 500;
      if (isRefused || isNotConnected(error)) throw error;
      throw new DeliveryUnknownError('No answer of Twilio', { cause: error });
    }
  }
}

/** The same path at a compatible gateway. */
function at(baseUrl: string, uri: string): string {
  const { pathname, search } = new URL(uri);
  return `${baseUrl.replace(/\/+$/, '')}${pathname}${search}`;
}

/** The text, after a moment for the person to put the phone to their ear. */
function spoken({ text, locale }: Message): string {
  const language = SPOKEN[locale] ?? locale;
  return `<Response><Pause length="1"/><Say language="${escaped(language)}">${escaped(text)}</Say></Response>`;
}

const escaped = (text: string) =>
  text.replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`);

async function loadTwilio() {
  try {
    return await import('twilio');
  } catch (error) {
    throw new StartError(
      'Option twilio needs the package twilio: run npm install twilio',
      { cause: error },
    );
  }
}
