import { Agent, request } from 'undici';
import { DeliveryUnknownError } from '../settings/sender.interface.js';

/** Leaves the next sender time where a gateway accepts no connection. undici may be half a second late. */
const CONNECT_TIMEOUT_MS = 1_000;
/** Answers are a sentence or two; they are kept in memory. */
const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * Statuses below 500 after which the message may have been sent: "see the result
 * there", and that somebody on the way gave up waiting.
 */
const UNCERTAIN = [302, 303, 408, 499];

/**
 * Codes of errors after which a request was certainly not written: no address, no
 * connection, or no trust in the certificate.
 */
const NOT_CONNECTED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_.*|.*_CERT|.*_CERT_.*|.*_SIGNATURE|ERR_TLS_.*|UNABLE_TO_.*)$/;

export interface GatewayRequest {
  url: string;
  method: 'GET' | 'POST' | 'PUT';
  headers: Record<string, string>;
  body?: string | undefined;
}

export interface GatewayAnswer {
  /** Below 500: whether the gateway took the message is certain. */
  statusCode: number;
  body: string;
}

/** HTTP to a gateway that sends messages. Redirects are not followed. */
export class Gateway {
  private readonly agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    maxResponseSize: MAX_ANSWER_BYTES,
  });

  /**
   * @throws DeliveryUnknownError if the gateway may have taken the message
   * @throws Error with a `code` if the gateway was not reached
   */
  async ask(
    { url, ...options }: GatewayRequest,
    signal: AbortSignal,
  ): Promise<GatewayAnswer> {
    let answer: GatewayAnswer;
    try {
      const dispatcher = this.agent;
      const response = await request(url, { ...options, dispatcher, signal });
      const { statusCode } = response;
      answer = { statusCode, body: await response.body.text() };
    } catch (error) {
      if (isNotConnected(error)) throw error;
      throw new DeliveryUnknownError('No answer', { cause: error });
    }
    const { statusCode } = answer;
    if (statusCode < 500 && !UNCERTAIN.includes(statusCode)) return answer;
    throw new DeliveryUnknownError('The gateway failed', {
      cause: Object.assign(new Error(), { responseCode: statusCode }),
    });
  }

  async close(): Promise<void> {
    await this.agent.close();
  }
}

function isNotConnected(error: unknown): boolean {
  type Coded = { code?: unknown; cause?: unknown } | undefined;
  for (let one = error as Coded; one; one = one.cause as Coded)
    if (NOT_CONNECTED.test(String(one.code))) return true;
  return false;
}
