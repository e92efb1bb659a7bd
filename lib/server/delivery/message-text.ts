import type { Channel } from '../../contract/channel.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import type { MessageTexts } from '../settings/message-texts.js';
import { BUILT_IN_TEXTS, DEFAULT_LANGUAGE } from './built-in-texts.js';

/** Recommended for fields of language tags [RFC 5646 §4.4.1]. */
const LONGEST_LOCALE = 35;

/** What a message with a code says. */
export interface MessageText {
  subject: string;
  text: string;
  /** Language of the text, BCP 47. */
  locale: string;
}

/** What a text is made of. */
export interface TextParts {
  code: string;
  ttlSeconds: number;
  /** JSON of the user's `meta`; its `locale` (BCP 47) chooses the language. */
  meta: string | null;
  /** Host of the site, for the last line of an SMS; `undefined`: no such line. */
  domain: string | undefined;
}

/** The text that a user reads or hears with a code. */
export function messageText(
  channel: Channel,
  { issuer, texts }: Pick<RealmSettings, 'issuer' | 'texts'>,
  { code, ttlSeconds, meta, domain }: TextParts,
): MessageText {
  const tags = [...rangesOf(localeOf(meta)), DEFAULT_LANGUAGE];
  const write = (name: keyof MessageTexts, shownCode = code) => {
    const [locale, template] = find(name, tags, texts);
    const values = {
      code: shownCode,
      issuer,
      minutes: minutesIn(locale, ttlSeconds),
    };
    const text = template.replace(
      /\{(code|issuer|minutes)\}/g,
      (_, part: keyof typeof values) => values[part],
    );
    return { text, locale };
  };
  const { text: subject } = write('emailSubject');
  if (channel === 'email') return { subject, ...write('emailText') };
  if (channel === 'voice') {
    // Digit by digit, and twice: few people can write down a code the first time.
    const { text, locale } = write('voiceText', [...code].join(', '));
    return { subject, text: `${text} ${text}`, locale };
  }
  const { text, locale } = write('smsText');
  // The last line lets browsers fill the code in, on this site alone [WICG origin-bound one-time codes].
  const bound = domain === undefined ? '' : `\n\n@${domain} #${code}`;
  return { subject, text: text + bound, locale };
}

/** The text in the first of these languages that has it, with the language. */
function find(
  name: keyof MessageTexts,
  tags: readonly string[],
  texts: RealmSettings['texts'],
): [locale: string, text: string] {
  for (const tag of tags)
    for (const all of [texts, BUILT_IN_TEXTS])
      for (const [locale, own] of Object.entries(all)) {
        const text = own[name];
        const isWanted = locale.toLowerCase() === tag.toLowerCase();
        if (isWanted && text !== undefined) return [locale, text];
      }
  return [DEFAULT_LANGUAGE, BUILT_IN_TEXTS[DEFAULT_LANGUAGE]![name]];
}

/** What the user's `meta` says; empty if nothing. */
function localeOf(meta: string | null): string {
  if (meta === null) return '';
  let locale: unknown;
  try {
    ({ locale } = JSON.parse(meta) as { locale?: unknown });
  } catch {
    // A damaged `meta` is reported where it is shown.
  }
  return typeof locale === 'string' && locale.length <= LONGEST_LOCALE
    ? locale.replaceAll('_', '-')
    : '';
}

/** `de-AT`, then `de` [RFC 4647 §3.4]. */
function rangesOf(locale: string): string[] {
  const parts = locale.split('-');
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('-'));
}

/** "5 minutes", in the plural of the language; always in the digits of the code. */
function minutesIn(language: string, seconds: number): string {
  return new Intl.NumberFormat(language, {
    numberingSystem: 'latn',
    style: 'unit',
    unit: 'minute',
    unitDisplay: 'long',
  }).format(Math.max(1, Math.round(seconds / 60)));
}

/** The host of the first URL that has a domain name; a browser binds a code to nothing else. */
export function domainOf(...urls: (string | undefined)[]): string | undefined {
  return urls
    .filter((url) => url !== undefined)
    .map((url) => new URL(url).hostname)
    .find((host) =>
      /^[a-z0-9-]+(\.[a-z0-9-]+)*\.([a-z]{2,}|xn--[a-z0-9-]+)$/.test(host),
    );
}
