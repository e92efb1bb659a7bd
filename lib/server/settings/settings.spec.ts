import { expect, it } from '@jest/globals';
import { SECURITY_DEFAULTS } from './security-options.js';
import { settingsOf } from './settings.js';

it('takes an option that is undefined for one that is left out', () => {
  const options = {
    database: undefined,
    publicUrl: undefined,
    apiKeys: undefined,
    issuer: undefined,
    returnUrls: undefined,
    frameAncestors: undefined,
    security: { freeAttempts: undefined, sentCodeTries: 3 },
  };
  expect(settingsOf(options)).toEqual({
    ...settingsOf({}),
    security: { ...SECURITY_DEFAULTS, sentCodeTries: 3 },
  });
});
