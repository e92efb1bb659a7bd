import { CHANNELS } from '../../contract/channel.js';
import { escapeFor } from './http-template.js';
import { isObject, isString, shown } from './option-type.js';
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

/** A Twilio account, or one of a gateway with the same API. */
export interface TwilioOptions {
  accountSid: string;
  authToken: string;
  /** Number that sends and calls, E.164; for SMS also a name that the account may use. */
  from: string;
  /** URL of a compatible gateway. @default Twilio's */
  baseUrl?: string | undefined;
}

/**
 * A gateway that takes a message by one HTTP request. In `url` and `body`, `{to}`,
 * `{to_digits}` (without the plus sign), `{text}`, `{code}` and `{locale}` are filled in,
 * escaped. A status of 2xx means that it took the message.
 */
export interface HttpGatewayOptions {
  /** https; http on this machine alone. */
  url: string;
  /** @default `POST` */
  method?: 'GET' | 'POST' | 'PUT' | undefined;
  /** Sent as they are. `content-type` decides how values in `body` are escaped. @default none */
  headers?: Record<string, string> | undefined;
  /** @default none */
  body?: string | undefined;
}

const isLoopback = ({ hostname }: URL) =>
  /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);

/** @throws StartError */
function checkGatewayUrl(value: unknown, name: string): void {
  // Not shown: gateways take keys in the query.
  const url =
    isString(value) && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new StartError(`${name} must be an https URL`);
  if (url.protocol === 'http:' && !isLoopback(url))
    throw new StartError(
      `${name} must be an https URL: over http, others could read the codes`,
    );
}

/** @throws StartError */
export function checkTwilio(options: object): void {
  refuseUnknown(
    options,
    ['accountSid', 'authToken', 'baseUrl', 'from'],
    'twilio',
  );
  const { accountSid, authToken, from, baseUrl } = options as Record<
    string,
    unknown
  >;
  if (!isString(accountSid) || !/^AC[0-9a-f]{32}$/i.test(accountSid))
    throw new StartError(
      'Option twilio.accountSid must be AC and 32 hexadecimal digits',
    );
  if (!isString(authToken) || authToken === '')
    throw new StartError('Option twilio.authToken is missing');
  if (!isString(from) || from === '')
    throw new StartError(
      'Option twilio.from must be the number that sends, such as +15005550006',
    );
  if (baseUrl !== undefined) checkGatewayUrl(baseUrl, 'Option twilio.baseUrl');
}

/** @throws StartError */
export function checkHttpGateway(options: object, name: string): void {
  refuseUnknown(options, ['url', 'method', 'headers', 'body'], name);
  const {
    url,
    method,
    headers,
    body = '',
  } = options as Record<string, unknown>;
  checkGatewayUrl(url, `Option ${name}.url`);
  if (![undefined, 'GET', 'POST', 'PUT'].includes(method as 'GET'))
    throw new StartError(`Option ${name}.method must be GET, POST or PUT`);
  const type = contentTypeOf(headers ?? {}, `Option ${name}.headers`);
  if (!isString(body))
    throw new StartError(`Option ${name}.body must be a text`);
  if (body !== '' && !escapeFor(type))
    throw new StartError(
      `Option ${name}.headers must have a content-type of JSON, a form, XML or text/plain, so that values in the body can be escaped`,
    );
  if (!/\{(text|code)\}/.test(`${url as string}${body}`))
    throw new StartError(
      `Option ${name} must have {text} or {code} in its url or body`,
    );
}

/** @throws StartError if the headers are no texts of one line */
function contentTypeOf(headers: unknown, name: string): string {
  const isText = (value: unknown): value is string =>
    isString(value) && !/[\r\n]/.test(value);
  if (!isObject(headers) || !Object.values(headers).every(isText))
    throw new StartError(`${name} must be an object of texts`);
  const [, type = ''] =
    Object.entries(headers as Record<string, string>).find(
      ([key]) => key.toLowerCase() === 'content-type',
    ) ?? [];
  return type;
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
