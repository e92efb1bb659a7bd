import { describe, expect, it } from '@jest/globals';
import { BUILT_IN_TEXTS } from './built-in-texts.js';
import { domainOf, messageText } from './message-text.js';

const realm = { issuer: 'Shop', texts: {} };
const parts = {
  code: '012345',
  ttlSeconds: 300,
  meta: null,
  domain: undefined,
};
const inLanguage = (locale: string) => ({
  ...parts,
  meta: JSON.stringify({ locale }),
});

describe('the text of a message', () => {
  it.each([
    ['de', 'de', '5 Minuten'],
    ['de-AT', 'de', '5 Minuten'],
    ['es_MX', 'es', '5 minutos'],
    ['fr', 'fr', '5 minutes'],
    ['AR', 'ar', '5 دقائق'],
    ['en-GB', 'en', '5 minutes'],
    ['ja', 'en', '5 minutes'],
    ['', 'en', '5 minutes'],
  ])('for meta.locale %j is %s', (locale, expected, minutes) => {
    for (const channel of ['email', 'sms'] as const) {
      const message = messageText(channel, realm, inLanguage(locale));
      expect(message.locale).toBe(expected);
      expect(message.text).toContain('012345');
      expect(message.text).toContain('Shop');
      expect(message.text).toContain(minutes);
      expect(message.text).not.toMatch(/[{}]/);
    }
  });

  it.each([
    [60, 'دقيقة'],
    [120, 'دقيقتان'],
    [300, '5 دقائق'],
    [660, '11 دقيقة'],
  ])('in Arabic, for %i s, has the plural %s', (ttlSeconds, minutes) => {
    const { text } = messageText('sms', realm, {
      ...inLanguage('ar'),
      ttlSeconds,
    });
    expect(text).toContain(minutes);
  });

  it.each(['{"locale":7}', '{"locale":"de', '[]', 'null'])(
    'is English where meta is %s',
    (meta) => {
      expect(messageText('sms', realm, { ...parts, meta }).locale).toBe('en');
    },
  );

  it('has the digits of the code, whatever a language tag asks for', () => {
    const locale = 'de-u-nu-arab';
    const texts = { [locale]: { smsText: '{code}, {minutes}' } };
    const { text } = messageText(
      'sms',
      { ...realm, texts },
      inLanguage(locale),
    );
    expect(text).toBe('012345, 5 Minuten');
  });

  it('ignores a language tag that is none', () => {
    const { locale } = messageText(
      'sms',
      realm,
      inLanguage('de-a'.repeat(2000)),
    );
    expect(locale).toBe('en');
  });

  it('speaks the digits one by one, and all of it twice', () => {
    const { text } = messageText('voice', realm, inLanguage('de'));
    expect(text).toBe(
      'Ihr Bestätigungscode für Shop lautet 0, 1, 2, 3, 4, 5. Ihr Bestätigungscode für Shop lautet 0, 1, 2, 3, 4, 5.',
    );
  });

  it('ends an SMS with the line that binds the code to the site', () => {
    const domain = 'shop.example.com';
    const { text } = messageText('sms', realm, { ...parts, domain });
    expect(text.split('\n').at(-1)).toBe('@shop.example.com #012345');
    expect(
      messageText('email', realm, { ...parts, domain }).text,
    ).not.toContain('@');
  });

  it('is the realm’s own where it has one, and otherwise the built-in one', () => {
    const texts = {
      de: { smsText: 'Code {code} für {issuer}' },
      nl: { smsText: 'Code {code}' },
      'pt-BR': { smsText: 'Código {code}' },
    };
    const own = { ...realm, texts };
    expect(messageText('sms', own, inLanguage('de')).text).toBe(
      'Code 012345 für Shop',
    );
    expect(messageText('email', own, inLanguage('de')).text).toContain(
      'Bestätigungscode',
    );
    expect(messageText('sms', own, inLanguage('nl'))).toMatchObject({
      text: 'Code 012345',
      locale: 'nl',
    });
    // What is spoken is English, and is said so.
    expect(messageText('voice', own, inLanguage('nl'))).toMatchObject({
      text: expect.stringContaining('verification code'),
      locale: 'en',
    });
    for (const locale of ['pt_br', 'pt-BR'])
      expect(messageText('sms', own, inLanguage(locale)).locale).toBe('pt-BR');
    expect(messageText('sms', own, inLanguage('pt')).locale).toBe('en');
  });

  it.each(['en', 'de', 'es', 'fr'])(
    'fits one SMS of 160 letters in %s, with a name and a domain',
    (locale) => {
      const shop = { ...realm, issuer: 'Example Shop' };
      const { text } = messageText('sms', shop, {
        ...inLanguage(locale),
        domain: 'login.example.com',
      });
      expect(text.length).toBeLessThanOrEqual(160);
      // GSM 03.38, as far as these languages use it.
      expect(text).toMatch(
        /^[\n !"#%&'()*+,\-./0-9:;<=>?@A-Za-zÄÖÜßäöüàéèùñ]+$/,
      );
    },
  );

  it('has everything in every language', () => {
    for (const texts of Object.values(BUILT_IN_TEXTS))
      for (const [name, text] of Object.entries(texts)) {
        expect(text).toContain('{issuer}');
        if (name !== 'emailSubject') expect(text).toContain('{code}');
      }
  });
});

it.each([
  [['https://shop.example.com/back', 'https://x.example'], 'shop.example.com'],
  [[undefined, 'https://auth.example.com:8443'], 'auth.example.com'],
  [['http://127.0.0.1:4000', undefined], undefined],
  [['http://localhost:4000', 'http://[::1]'], undefined],
  [['https://пример.рф'], 'xn--e1afmkfd.xn--p1ai'],
])('%j: the domain is %s', (urls, domain) => {
  expect(domainOf(...urls)).toBe(domain);
});
