import type { Channel } from '../../contract/channel.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import { BUILT_IN_TEXTS, DEFAULT_LANGUAGE } from './built-in-texts.js';

/** What a message with a code says. */
export interface MessageText {
  subject: string;
  text: string;
  /** Language of the text, ISO 639. */
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
  const known = [...Object.keys(texts), ...Object.keys(BUILT_IN_TEXTS)];
  const wanted = languageOf(meta);
  const locale = known.includes(wanted) ? wanted : DEFAULT_LANGUAGE;
  const template = {
    ...BUILT_IN_TEXTS[DEFAULT_LANGUAGE]!,
    ...BUILT_IN_TEXTS[locale],
    ...texts[locale],
  };
  const fill = (text: string, shownCode = code) =>
    text.replace(
      /\{(code|issuer|minutes)\}/g,
      (_, name: 'code' | 'issuer' | 'minutes') =>
        ({ code: shownCode, issuer, minutes: minutesIn(locale, ttlSeconds) })[
          name
        ],
    );
  const subject = fill(template.emailSubject);
  if (channel === 'email')
    return { subject, text: fill(template.emailText), locale };
  if (channel === 'voice') {
    // Digit by digit, and twice: few people can write down a code the first time.
    const once = fill(template.voiceText, [...code].join(', '));
    return { subject, text: `${once} ${once}`, locale };
  }
  // The last line lets browsers fill the code in, on this site alone [WICG origin-bound one-time codes].
  const bound = domain === undefined ? '' : `\n\n@${domain} #${code}`;
  return { subject, text: fill(template.smsText) + bound, locale };
}

/** `de` of `de-AT`; empty if the user has none. */
function languageOf(meta: string | null): string {
  if (meta === null) return '';
  let locale: unknown;
  try {
    ({ locale } = JSON.parse(meta) as { locale?: unknown });
  } catch {
    // A damaged `meta` is reported where it is shown.
  }
  return typeof locale === 'string'
    ? locale.split(/[-_]/, 1)[0]!.toLowerCase()
    : '';
}

/** "5 minutes", in the plural of the language; always in the digits of the code. */
function minutesIn(language: string, seconds: number): string {
  return new Intl.NumberFormat(`${language}-u-nu-latn`, {
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
    .find((host) => /^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}$/.test(host));
}
