import type { Message } from './sender.interface.js';

type Escape = (text: string) => string;

const PLACEHOLDER = /\{(to|to_digits|text|code|locale)\}/g;

/**
 * How a value is written into a body with these headers, so that it cannot be
 * anything but a value there; `undefined` if the content type is unknown.
 */
export function escapeFor(
  headers: Readonly<Record<string, string>>,
): Escape | undefined {
  const type = contentTypeOf(headers);
  if (/\bjson\b/i.test(type))
    return (text) => JSON.stringify(text).slice(1, -1);
  if (/x-www-form-urlencoded/i.test(type)) return encodeURIComponent;
  if (/\bxml\b/i.test(type)) return escapeXml;
  if (/^text\/plain\b/i.test(type)) return (text) => text;
  return undefined;
}

export const escapeXml: Escape = (text) =>
  text.replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`);

/** Whether a template of JSON is JSON once it is filled in: `{"text":{text}}` is not. */
export function isSound(
  body: string,
  headers: Readonly<Record<string, string>>,
): boolean {
  if (!/\bjson\b/i.test(contentTypeOf(headers))) return true;
  const message = {
    to: '+15005550006',
    // Not a number: codes may begin with zeros.
    code: '012345',
    text: 'a "b"',
    locale: 'en',
  };
  try {
    JSON.parse(filled(body, message, escapeFor(headers)!));
    return true;
  } catch {
    return false;
  }
}

/** The template with the parts of a message in it, escaped. */
export function filled(
  template: string,
  { to, text, code, locale }: Pick<Message, 'to' | 'text' | 'code' | 'locale'>,
  escape: Escape,
): string {
  const values: Readonly<Record<string, string>> = {
    to,
    // Many gateways want numbers without the plus sign.
    to_digits: to.replace(/\D/g, ''),
    text,
    code,
    locale,
  };
  return template.replace(PLACEHOLDER, (_, name) =>
    escape(values[name as string]!),
  );
}

function contentTypeOf(headers: Readonly<Record<string, string>>): string {
  const [, type = ''] =
    Object.entries(headers).find(
      ([name]) => name.toLowerCase() === 'content-type',
    ) ?? [];
  return type;
}
