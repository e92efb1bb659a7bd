import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { HOSTED_ACCESS_POINTS } from './client/client.options.js';
import {
  type GAuthifyModuleOptions,
  resolveOptions,
} from './gauthify.module-definition.js';

const KEY = 'key-of-the-realm';
const options = (given: object) => resolveOptions({ apiKey: KEY, ...given });

it('fills in defaults', () => {
  expect(options({})).toEqual({
    apiKey: KEY,
    accessPoints: [
      'https://alpha.gauthify.com/v1/',
      'https://beta.gauthify.com/v1/',
    ],
    timeoutMs: 5000,
    totalTimeoutMs: undefined,
    accessPointCooldownMs: 30_000,
    retry: 'safe',
    maxSockets: 128,
    mfa: {},
  });
});

it('takes undefined, as of an unset environment variable, for left out', () => {
  expect(
    options({ accessPoints: undefined, timeoutMs: undefined, mfa: undefined }),
  ).toEqual(options({}));
});

it('cannot be changed afterwards, neither itself nor through what was given', () => {
  const given = { accessPoints: ['http://a/v1/'], mfa: { code: () => 'a' } };
  const resolved = options(given);
  given.accessPoints[0] = 'http://b/v1/';
  given.mfa.code = () => 'b';
  expect(resolved.accessPoints).toEqual(['http://a/v1/']);
  expect(resolved.mfa.code?.({})).toBe('a');
  for (const part of [resolved, resolved.accessPoints, resolved.mfa])
    expect(Object.isFrozen(part)).toBe(true);
  expect(Object.isFrozen(HOSTED_ACCESS_POINTS)).toBe(true);
});

it.each([
  ['https://auth.example.com/v1', 'https://auth.example.com/v1/'],
  ['https://auth.example.com/v1/', 'https://auth.example.com/v1/'],
  ['http://127.0.0.1:4000/mfa/v1', 'http://127.0.0.1:4000/mfa/v1/'],
  [' https://auth.example.com/v1/\n', 'https://auth.example.com/v1/'],
])('reads the access point %j as %s', (given, accessPoint) => {
  expect(options({ accessPoints: [given] }).accessPoints).toEqual([
    accessPoint,
  ]);
});

describe('refuses, in one sentence that names the option,', () => {
  it.each<[string, object, string]>([
    ['no key', { apiKey: undefined }, 'apiKey is missing'],
    ['an empty key', { apiKey: '' }, 'apiKey is missing'],
    ['a blank key', { apiKey: ' \t' }, 'apiKey is blank'],
    ['a key that is no string', { apiKey: 7 }, 'apiKey must be a string'],
    ['a key with a line break', { apiKey: `${KEY}\n` }, 'apiKey has a space'],
    ['a key with a letter of no ASCII', { apiKey: 'ključ' }, 'apiKey has a'],
    [
      'access points as one string',
      { accessPoints: 'http://a/v1/' },
      'accessPoints must be an array',
    ],
    ['no access points', { accessPoints: [] }, 'accessPoints is empty'],
    [
      'an access point that is no URL',
      { accessPoints: ['http://a/v1/', 'a/v1/'] },
      'accessPoints[1] must be an http or https URL',
    ],
    [
      'an access point that is no string',
      { accessPoints: [null] },
      'accessPoints[0] must be an http',
    ],
    [
      'another scheme',
      { accessPoints: ['ftp://a/v1/'] },
      'accessPoints[0] must be an http',
    ],
    [
      'credentials',
      { accessPoints: [`http://:${KEY}@a/v1/`] },
      'accessPoints[0] must not have a user name or password',
    ],
    [
      'a query',
      { accessPoints: [`http://a/v1/?api_key=${KEY}`] },
      'accessPoints[0] must not have a query',
    ],
    [
      'a fragment',
      { accessPoints: ['http://a/v1/#b'] },
      'accessPoints[0] must not have a query or fragment',
    ],
    [
      'no /v1/',
      { accessPoints: ['http://a/'] },
      'accessPoints[0] must end in /v1/',
    ],
    [
      'a path below /v1/',
      { accessPoints: ['http://a/v1/users/'] },
      'accessPoints[0] must end in /v1/',
    ],
    [
      'another version',
      { accessPoints: ['http://a/xv1'] },
      'accessPoints[0] must end in /v1/',
    ],
    ...[0, -1, NaN, Infinity, 2 ** 31, '5000', null].flatMap((ms) =>
      ['timeoutMs', 'totalTimeoutMs', 'accessPointCooldownMs'].map(
        (name): [string, object, string] => [
          `${name} of ${JSON.stringify(ms)}`,
          { [name]: ms },
          `${name} must be a number of milliseconds above 0`,
        ],
      ),
    ),
    ['another retry', { retry: 'always' }, 'retry must be'],
    ['no sockets', { maxSockets: 0 }, 'maxSockets must be a whole number'],
    ['mfa that is no object', { mfa: 'x' }, 'mfa must be an object'],
    [
      'mfa.safeMode that is no boolean',
      { mfa: { safeMode: 1 } },
      'mfa.safeMode must be true or false',
    ],
    [
      'mfa.onEvent that is no function',
      { mfa: { onEvent: 'x' } },
      'mfa.onEvent must be a function',
    ],
    [
      'mfa.required that is no function',
      { mfa: { required: true } },
      'mfa.required must be a function',
    ],
    ...[undefined, '', 'x'.repeat(31), [], ['x'.repeat(32), 'short'], 5].map(
      (secret): [string, object, string] => [
        `mfa.proof.secret ${JSON.stringify(secret)}`,
        { mfa: { proof: { secret } } },
        'mfa.proof.secret must be a string of at least 32 bytes',
      ],
    ),
    [
      'mfa.proof.ttlSeconds of half a second',
      { mfa: { proof: { secret: 'x'.repeat(32), ttlSeconds: 0.5 } } },
      'mfa.proof.ttlSeconds must be a whole number above 0',
    ],
    [
      'mfa.proof.cookie that is no name',
      { mfa: { proof: { secret: 'x'.repeat(32), cookie: 'a b' } } },
      'mfa.proof.cookie must be true, or the name of a cookie',
    ],
    [
      'mfa.proof.cookie that is a number',
      { mfa: { proof: { secret: 'x'.repeat(32), cookie: 1 } } },
      'mfa.proof.cookie must be true, or the name of a cookie',
    ],
    [
      'mfa.proof.header that is no boolean',
      { mfa: { proof: { secret: 'x'.repeat(32), header: 'x' } } },
      'mfa.proof.header must be true or false',
    ],
    [
      'mfa.proof.header false without a cookie',
      { mfa: { proof: { secret: 'x'.repeat(32), header: false } } },
      'mfa.proof.header is false and mfa.proof.cookie is not set',
    ],
    ...['', 5].map((audience): [string, object, string] => [
      `mfa.proof.audience ${JSON.stringify(audience)}`,
      { mfa: { proof: { secret: 'x'.repeat(32), audience } } },
      'mfa.proof.audience must be a string that is not empty',
    ]),
    ...[-1, NaN, Infinity, '30'].map(
      (recheckSeconds): [string, object, string] => [
        `mfa.proof.recheckSeconds ${recheckSeconds}`,
        { mfa: { proof: { secret: 'x'.repeat(32), recheckSeconds } } },
        'mfa.proof.recheckSeconds must be a number of seconds, or 0',
      ],
    ),
    [
      'mfa.proof.bindTo that is no function',
      { mfa: { proof: { secret: 'x'.repeat(32), bindTo: 'x' } } },
      'mfa.proof.bindTo must be a function',
    ],
    [
      'mfa.userId that is no function',
      { mfa: { userId: 'id' } },
      'mfa.userId must be a function',
    ],
    [
      'mfa.code that is no function',
      { mfa: { code: 'x-code' } },
      'mfa.code must be a function',
    ],
    [
      'another retry, with its value',
      { retry: 'always' },
      'retry must be "safe" or "legacy", not "always".',
    ],
    [
      'a time as text, with its value',
      { timeoutMs: '5000' },
      'timeoutMs must be a number of milliseconds above 0 and at most 2147483647, not "5000".',
    ],
  ])('%s', (_, given, message) => {
    const refused = expect(() => options(given));
    refused.toThrow(`GAuthifyModule: ${message}`);
    // One sentence, without a value: it may be the key, or have it inside.
    refused.toThrow(/^[^\n]+\.$/);
    refused.not.toThrow(KEY);
  });

  it.each([
    ['retryPolicy', 'retry'],
    ['timeout', 'timeoutMs'],
    ['accesspoints', 'accessPoints'],
    ['maxSocket', 'maxSockets'],
    ['apikey', 'apiKey'],
  ])('an option %s, and names %s', (name, meant) => {
    expect(() => options({ [name]: KEY })).toThrow(
      new Error(
        `GAuthifyModule: ${name}: there is no such option; did you mean ${meant}?`,
      ),
    );
  });

  it('no options at all', () => {
    expect(() =>
      resolveOptions(undefined as unknown as GAuthifyModuleOptions),
    ).toThrow('GAuthifyModule: options must be an object');
  });
});
