import type { HttpGatewayOptions } from '../settings/delivery-options.js';
import { escapeFor, filled } from '../settings/http-template.js';
import type { Message, Sender } from '../settings/sender.interface.js';
import { Gateway } from './gateway.js';

/** Messages by an HTTP request that is written from a template: for gateways without a library. */
export class HttpSender implements Sender {
  private readonly gateway = new Gateway();

  constructor(private readonly options: HttpGatewayOptions) {}

  async send(message: Message, signal: AbortSignal): Promise<void> {
    const { url, method = 'POST', headers = {}, body } = this.options;
    const { statusCode } = await this.gateway.ask(
      {
        url: filled(url, message, encodeURIComponent),
        method,
        headers,
        ...(body !== undefined && {
          body: filled(body, message, escapeFor(headers)!),
        }),
      },
      signal,
    );
    if (statusCode >= 300)
      throw Object.assign(new Error('The gateway refused'), {
        responseCode: statusCode,
      });
  }

  async close(): Promise<void> {
    await this.gateway.close();
  }
}
