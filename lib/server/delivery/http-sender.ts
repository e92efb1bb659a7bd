import { Agent, request } from 'undici';
import {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from '../settings/sender.interface.js';
import type { HttpGatewayOptions } from '../settings/delivery-options.js';
import { escapeFor } from '../settings/http-template.js';
import { isNotConnected } from './send-errors.js';

/** Below the 5 s that a client waits for an answer. */
const TIMEOUT_MS = 4_000;

/** Messages by an HTTP request that is written from a template: for gateways without a library. */
export class HttpSender implements Sender {
  private readonly agent = new Agent({
    connect: { timeout: TIMEOUT_MS / 2 },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });

  constructor(private readonly options: HttpGatewayOptions) {}

  async send(message: Message): Promise<void> {
    const { url, method = 'POST', headers = {}, body } = this.options;
    const type =
      Object.entries(headers).find(
        ([name]) => name.toLowerCase() === 'content-type',
      )?.[1] ?? '';
    let statusCode: number;
    try {
      const response = await request(filled(url, message, encodeURIComponent), {
        dispatcher: this.agent,
        method,
        headers,
        ...(body !== undefined && {
          body: filled(body, message, escapeFor(type)!),
        }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      ({ statusCode } = response);
      // The status says it all; the connection is free once the body is read.
      await response.body.dump();
    } catch (error) {
      if (isNotConnected(error)) throw error;
      throw new DeliveryUnknownError('No answer', { cause: error });
    }
    if (statusCode >= 200 && statusCode < 300) return;
    const error = Object.assign(new Error('The gateway refused'), {
      responseCode: statusCode,
    });
    if (statusCode < 500) throw error;
    throw new DeliveryUnknownError('The gateway failed', { cause: error });
  }
}

/** The template with the parts of a message in it, escaped. */
function filled(
  template: string,
  { to, text, code, locale }: Message,
  escape: (text: string) => string,
): string {
  const values: Readonly<Record<string, string>> = {
    to,
    // Many gateways want numbers without the plus sign.
    to_digits: to.replace(/\D/g, ''),
    text,
    code,
    locale,
  };
  return template.replace(/\{(to|to_digits|text|code|locale)\}/g, (_, name) =>
    escape(values[name as string]!),
  );
}
