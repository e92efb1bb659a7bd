import { CHANNELS } from '../../contract/channel.js';
import { escapeFor, isSound } from './http-template.js';
import { isLoopback } from './loopback.js';
import { isObject, isString, shown } from './option-type.js';
import { refuseUnknown } from './refuse-unknown.js';
import type { Sender } from './sender.interface.js';
import { StartError } from './start-error.js';

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

/** @throws StartError */
function checkGatewayUrl(value: unknown, name: string): void {
  // Not shown: gateways take keys in the query.
  const url =
    isString(value) && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new StartError(`${name} must be an https URL`);
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
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
    headers = {},
    body = '',
  } = options as Record<string, unknown>;
  checkGatewayUrl(url, `Option ${name}.url`);
  if (![undefined, 'GET', 'POST', 'PUT'].includes(method as 'GET'))
    throw new StartError(`Option ${name}.method must be GET, POST or PUT`);
  checkHeaders(headers, `Option ${name}.headers`);
  if (!isString(body))
    throw new StartError(`Option ${name}.body must be a text`);
  if (body !== '' && !escapeFor(headers))
    throw new StartError(
      `Option ${name}.headers must have a content-type of JSON, a form, XML or text/plain, so that values in the body can be escaped`,
    );
  if (body !== '' && !isSound(body, headers))
    throw new StartError(
      `Option ${name}.body must be JSON once it is filled in: write "{text}" and "{code}" in quotation marks`,
    );
  if (!/\{(text|code)\}/.test(`${url as string}${body}`))
    throw new StartError(
      `Option ${name} must have {text} or {code} in its url or body`,
    );
}

/** @throws StartError if the headers are no texts of one line */
function checkHeaders(
  headers: unknown,
  name: string,
): asserts headers is Record<string, string> {
  const isText = (value: unknown) => isString(value) && !/[\r\n]/.test(value);
  if (!isObject(headers) || !Object.values(headers).every(isText))
    throw new StartError(`${name} must be an object of texts`);
}

/** @throws StartError */
export function checkSenders(senders: object): void {
  refuseUnknown(senders, CHANNELS, 'senders');
  const isSender = (value: unknown) =>
    typeof (value as Partial<Sender> | null)?.send === 'function';
  for (const [channel, value] of Object.entries(senders))
    if (
      value !== undefined &&
      !(asList(value).length && asList(value).every(isSender))
    )
      throw new StartError(
        `Option senders.${channel} must be an object with a method send(message), or an array of them, but is ${shown(value)}`,
      );
}

const asList = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : [value];
