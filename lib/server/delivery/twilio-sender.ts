import type { Twilio } from 'twilio';
import type { TwilioOptions } from '../settings/delivery-options.js';
import { escapeXml } from '../settings/http-template.js';
import {
  DeliveryUnknownError,
  type Message,
  RecipientRefusedError,
  type Sender,
} from '../settings/sender.interface.js';
import { loadPackage } from '../settings/load-package.js';
import { Gateway } from './gateway.js';

/**
 * Codes of errors after which the message must not go out by another sender: the
 * recipient answered STOP, or the account may not send to the country
 * [twilio.com/docs/api/errors: 21610, 21408; calls: 21215].
 */
const REFUSED: readonly unknown[] = [21610, 21408, 21215];

/** What Twilio's library asks of an HTTP client. */
interface TwilioRequest {
  method: string;
  uri: string;
  username?: string;
  password?: string;
  headers?: Record<string, string>;
  data?: Record<string, string>;
}

/** SMS and calls by Twilio, or a gateway with the same API. */
export class TwilioSender implements Sender {
  private readonly gateway = new Gateway();

  private constructor(
    private readonly createClient: (httpClient: unknown) => Twilio,
    private readonly options: TwilioOptions,
  ) {}

  /** @throws StartError without the package `twilio` */
  static async load(options: TwilioOptions): Promise<TwilioSender> {
    const { default: twilio } = await loadPackage(
      () => import('twilio'),
      'twilio',
      'Option twilio',
    );
    const { accountSid, authToken } = options;
    return new TwilioSender(
      (httpClient) =>
        twilio(accountSid, authToken, { httpClient: httpClient as never }),
      options,
    );
  }

  async send(message: Message, signal: AbortSignal): Promise<void> {
    const { from } = this.options;
    const { to } = message;
    let isTaken = false;
    // A client of its own: the library hands no signal on.
    const client = this.createClient({
      request: async (request: TwilioRequest) => {
        const answer = await this.ask(request, signal);
        isTaken = answer.statusCode < 300;
        return answer;
      },
    });
    try {
      await (message.channel === 'voice'
        ? client.calls.create({ from, to, twiml: spoken(message) })
        : client.messages.create({ from, to, body: message.text }));
    } catch (error) {
      // The library wants JSON in the answer; the status says all that counts.
      if (isTaken) return;
      if (error instanceof DeliveryUnknownError) throw error;
      const { status, code } = error as { status?: number; code?: number };
      if (status === undefined) throw error;
      Object.assign(error as Error, { responseCode: status });
      throw REFUSED.includes(code)
        ? new RecipientRefusedError('Refused', { cause: error })
        : error;
    }
  }

  async close(): Promise<void> {
    await this.gateway.close();
  }

  private async ask(
    { uri, username, password, headers, data }: TwilioRequest,
    signal: AbortSignal,
  ) {
    const { baseUrl } = this.options;
    const credentials = Buffer.from(`${username}:${password}`);
    return await this.gateway.ask(
      {
        url: baseUrl ? at(baseUrl, uri) : uri,
        method: 'POST',
        headers: {
          ...headers,
          authorization: `Basic ${credentials.toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams(data).toString(),
      },
      signal,
    );
  }
}

/** The same path at a compatible gateway. */
function at(baseUrl: string, uri: string): string {
  const { pathname, search } = new URL(uri);
  return `${baseUrl.replace(/\/+$/, '')}${pathname}${search}`;
}

/**
 * The text in TwiML: after a moment for the person to put the phone to their ear,
 * and a second after each digit of the code, which the text has as `1, 2, 3`.
 */
function spoken({ text, locale }: Message): string {
  const language = spokenLanguageOf(locale);
  const say = (words: string) =>
    `<Say language="${escapeXml(language)}">${escapeXml(words)}</Say>`;
  const parts = text
    .split(/(\d(?:, \d)+)/)
    .filter((part) => part.trim() !== '')
    .map((part) =>
      /^\d, /.test(part)
        ? part.split(', ').map(say).join('<Pause length="1"/>')
        : say(part.trim()),
    );
  return `<Response><Pause length="1"/>${parts.join('')}</Response>`;
}

/** As Twilio names it: with the region where most people speak it, such as `nl-NL`. */
function spokenLanguageOf(locale: string): string {
  const { language, region } = new Intl.Locale(locale).maximize();
  return language === 'ar' ? 'arb' : `${language}-${region}`;
}
