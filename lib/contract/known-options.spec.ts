import { describe, expect, it } from '@jest/globals';
import { refuseUnknownOptions } from './known-options.js';

const KNOWN = [
  'apiKey',
  'accessPoints',
  'timeoutMs',
  'totalTimeoutMs',
  'retry',
];
const refuse = (given: object, path?: string) => () =>
  refuseUnknownOptions(
    given,
    KNOWN,
    (option, problem) => new Error(`${option}: ${problem}`),
    path,
  );

it('accepts known options, also undefined ones', () => {
  expect(refuse({ apiKey: 'a', retry: undefined })).not.toThrow();
});

describe('names the option that was probably meant', () => {
  it.each([
    ['retryPolicy', 'retry'],
    ['timeout', 'timeoutMs'],
    ['totalTimeout', 'totalTimeoutMs'],
    ['apikey', 'apiKey'],
    ['acessPoints', 'accessPoints'],
    ['accessPoint', 'accessPoints'],
    ['api_key', 'apiKey'],
  ])('%s: %s', (given, meant) => {
    expect(refuse({ [given]: 1 })).toThrow(
      new Error(`${given}: there is no such option; did you mean ${meant}?`),
    );
  });
});

it('lists the options there are if none is like it', () => {
  expect(refuse({ color: 'red' })).toThrow(
    new Error(`color: there is no such option; there are ${KNOWN.join(', ')}`),
  );
});

it('says where a nested option stands', () => {
  expect(refuse({ retries: 1 }, 'mfa.proof')).toThrow(
    new Error(
      'mfa.proof.retries: there is no such option; did you mean mfa.proof.retry?',
    ),
  );
});

it('never quotes the value, which may be a secret', () => {
  expect(refuse({ apiKeys: 'the-key' })).not.toThrow('the-key');
});
