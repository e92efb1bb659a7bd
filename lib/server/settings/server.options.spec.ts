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
      'GAUTHIFY_KEEP_QR_URL (option keepQrUrl) must be false or true, but is "no"',
    ],
    [
      { security: { lockAfterAttempts: 0 } },
      'Option security.lockAfterAttempts must be a whole number of at least 1, but is 0',
    ],
    [
      { smtp: { url: 'http://x', from: 'a@example.com' } },
      'SMTP_URL (option smtp.url) must be an smtp:// or smtps:// URL (its value is not shown: it may hold a password)',
    ],
    [
      { encryptionKeys: [{ id: 'a', key: 'c2hvcnQ=' }] },
      'GAUTHIFY_ENCRYPTION_KEYS (option encryptionKeys): key "a" must be 32 bytes in base64, but is 5',
    ],
  ])('%j', (options, sentence) => {
    expect(() => settingsOf(options as GAuthifyServerOptions)).toThrow(
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
