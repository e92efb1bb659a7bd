import { describe, expect, it } from '@jest/globals';
import { SECURITY_DEFAULTS } from './security.options.js';
import { type GAuthifyServerOptions, settingsOf } from './server.options.js';

it('treats an option that is undefined as left out', () => {
  const options = {
    database: undefined,
    publicUrl: undefined,
    apiKeys: undefined,
    issuer: undefined,
    returnUrls: undefined,
    frameAncestors: undefined,
    keepQrUrl: undefined,
    whileLocked: undefined,
    security: { freeAttempts: undefined, sentCodeTries: 3 },
  };
  expect(settingsOf(options)).toEqual({
    ...settingsOf({}),
    security: { ...SECURITY_DEFAULTS, sentCodeTries: 3 },
  });
});

describe('refuses, in one sentence that names the option,', () => {
  it.each([
    [
      { keepQRUrls: true },
      'Option keepQRUrls: there is no such option; did you mean keepQrUrl?',
    ],
    [
      { security: { freeAttempt: 3 } },
      'Option security.freeAttempt: there is no such option; did you mean security.freeAttempts?',
    ],
    [
      { smtp: { url: 'smtp://x', form: 'a@example.com' } },
      'Option smtp.form: there is no such option; did you mean smtp.from?',
    ],
    [
      { senders: { mail: {} } },
      'Option senders.mail: there is no such option; did you mean senders.email?',
    ],
    [
      { path: 'gauthify' },
      'Option path must stand beside useFactory, not in what it returns',
    ],
    [
      { keepQrUrl: 'no' },
      'Option keepQrUrl must be false or true, but is "no"',
    ],
    [
      { security: { lockAfterAttempts: 0 } },
      'Option security.lockAfterAttempts must be a whole number of at least 1, but is 0',
    ],
    [
      { smtp: { url: 'http://x', from: 'a@example.com' } },
      'Option smtp.url must be an smtp:// or smtps:// URL (its value is not shown: it may hold a password)',
    ],
    [
      { encryptionKeys: [{ id: 'a', key: 'c2hvcnQ=' }] },
      'Option encryptionKeys: key "a" must be 32 bytes in base64, but is 5',
    ],
    [{ database: 7 }, 'Option database must be a string, but is a number'],
    [{ publicUrl: 7 }, 'Option publicUrl must be a string, but is 7'],
    [{ issuer: null }, 'Option issuer must be a string, but is null'],
    [
      { apiKeys: 'a:SECRET' },
      'Option apiKeys must be an array of { realm, key }, but is a string',
    ],
    [
      { apiKeys: ['a:SECRET'] },
      'Option apiKeys: entry 1 must be { realm, key }, but is a string',
    ],
    [
      { apiKeys: [{ key: 'SECRET-SECRET-SECRET' }] },
      'Option apiKeys: the realm of entry 1 is missing: give 1 to 64 letters, digits, "_", "." or "-"',
    ],
    [
      { apiKeys: [{ realm: 'a', key: undefined }] },
      'Option apiKeys: the key of entry 1 is missing: give 16 to 255 printable ASCII characters without spaces',
    ],
    [
      { apiKeys: [{ realm: 'a', key: 1234567890123456 }] },
      'Option apiKeys: the key of entry 1 must be a string, but is a number',
    ],
    [
      { encryptionKeys: 'a:SECRET' },
      'Option encryptionKeys must be an array of { id, key }, but is a string',
    ],
    [
      { encryptionKeys: ['a:SECRET'] },
      'Option encryptionKeys: entry 1 must be { id, key }, both strings',
    ],
    [
      { encryptionKeys: [{ id: 'a' }] },
      'Option encryptionKeys: entry 1 must be { id, key }, both strings',
    ],
    [
      { encryptionKeys: [{ id: 'SECRET'.repeat(8), key: 'a' }] },
      'Option encryptionKeys: the id of entry 1 must be 1 to 32 letters, digits, "_" or "-"',
    ],
    [
      { smtp: 'smtp://jane:SECRET@x' },
      'Option smtp must be an object { url, from }, but is a string',
    ],
    [
      { smtp: { url: 'smtp://x' } },
      'Option smtp.from must be an e-mail address, but is undefined',
    ],
    [
      { senders: () => {} },
      'Option senders must be an object with a sender for each channel, but is a function',
    ],
    [
      { senders: { sms: () => {} } },
      'Option senders.sms must be an object with a method send(message), or an array of them, but is a function',
    ],
    [
      { returnUrls: 'https://a.example.com' },
      'Option returnUrls must be an object with a URL for each realm, but is "https://a.example.com"',
    ],
    [
      { returnUrls: { a: ['https://a.example.com'] } },
      'Option returnUrls: the URL of realm a must be an http or https URL, but is an array',
    ],
    [
      { frameAncestors: 'https://a.example.com' },
      'Option frameAncestors must be an array of origins, but is "https://a.example.com"',
    ],
    [
      { security: 5 },
      'Option security must be an object such as { freeAttempts: 3 }, but is 5',
    ],
    [
      { now: 5 },
      'Option now must be a function that returns milliseconds since 1970, but is 5',
    ],
    [
      undefined,
      'The options of GAuthifyServerModule must be an object, but are undefined: return one from useFactory, {} for the defaults',
    ],
  ])('%j', (options, sentence) => {
    expect(() =>
      settingsOf(options as unknown as GAuthifyServerOptions),
    ).toThrow(
      expect.objectContaining({ name: 'StartError', message: sentence }),
    );
  });
});

it.each([
  { realm: 'SECRET!KEY-of-the-realm', key: 'default' },
  { realm: 'SECRET-KEY-of-the-realm', key: 'default' },
])('shows no key where realm and key are swapped: %j', (swapped) => {
  const entry = { realm: 'default', key: 'a'.repeat(32) };
  expect(() => settingsOf({ apiKeys: [entry, swapped] })).toThrow(
    /^(?!.*SECRET).*entry 2/,
  );
});
