import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import type { RequireMfaOptions } from './mfa.options.js';
import { policyOf } from './mfa-policy.js';
import { RequireMfa, SkipMfa } from './require-mfa.decorator.js';

@RequireMfa({ methods: ['totp', 'otp'], safeMode: false })
class Payments {
  @RequireMfa({ maxAgeSeconds: 60, safeMode: true }) pay() {}
  @RequireMfa({ methods: ['totp', 'email'], maxAgeSeconds: 900 })
  @RequireMfa({ maxAgeSeconds: 30 })
  refund() {}
  @RequireMfa({ methods: ['email'] }) contradict() {}
  @SkipMfa() open() {}
  list() {}
}

class Inherited extends Payments {
  override pay() {}
  more() {}
  @SkipMfa() override refund() {}
}

@SkipMfa()
class Open {
  any() {}
  @RequireMfa({ maxAgeSeconds: 5 }) close() {}
}

class OpenInherited extends Open {}

it.each<[string, Function, Function, object]>([
  [
    'handler and controller, the strictest of each part',
    Payments.prototype.pay,
    Payments,
    { methods: ['totp', 'otp'], safeMode: false, maxAgeSeconds: 60 },
  ],
  [
    'several decorators of one handler',
    Payments.prototype.refund,
    Payments,
    { methods: ['totp'], safeMode: false, maxAgeSeconds: 30 },
  ],
  [
    'methods that contradict each other: none',
    Payments.prototype.contradict,
    Payments,
    { methods: [], safeMode: false },
  ],
  [
    'a controller alone',
    Payments.prototype.list,
    Payments,
    { methods: ['totp', 'otp'], safeMode: false },
  ],
  [
    'nothing of a handler that skips',
    Payments.prototype.open,
    Payments,
    { skip: true },
  ],
  [
    'a base class',
    Inherited.prototype.more,
    Inherited,
    { methods: ['totp', 'otp'], safeMode: false },
  ],
  [
    'the handler that is overridden',
    Inherited.prototype.pay,
    Inherited,
    { methods: ['totp', 'otp'], safeMode: false, maxAgeSeconds: 60 },
  ],
  [
    'nothing of an override that skips',
    Inherited.prototype.refund,
    Inherited,
    { skip: true },
  ],
  [
    'nothing of a controller that skips',
    Open.prototype.any,
    Open,
    { skip: true },
  ],
  [
    'a handler of a controller that skips',
    Open.prototype.close,
    Open,
    { maxAgeSeconds: 5 },
  ],
  [
    'everybody, below a base class that skips',
    OpenInherited.prototype.any,
    OpenInherited,
    {},
  ],
])('asks what is asked by %s', (_, handler, type, policy) => {
  expect(policyOf(handler, type)).toEqual(policy);
  expect(policyOf(handler, type)).toEqual(policy);
});

describe('refuses when the code is loaded', () => {
  it.each<[unknown, string]>([
    [{ maxAgeSeconds: NaN }, '@RequireMfa: maxAgeSeconds must be a number'],
    [{ maxAgeSeconds: -1 }, '@RequireMfa: maxAgeSeconds must be a number'],
    [{ maxAgeSeconds: 0 }, '@RequireMfa: maxAgeSeconds must be a number'],
    [
      { maxAgeSeconds: Infinity },
      '@RequireMfa: maxAgeSeconds must be a number',
    ],
    [{ maxAgeSeconds: '60' }, '@RequireMfa: maxAgeSeconds must be a number'],
    [{ methods: [] }, '@RequireMfa: methods must be a list'],
    [{ methods: 'totp' }, '@RequireMfa: methods must be a list'],
    [{ methods: ['pigeon'] }, '@RequireMfa: methods must be a list'],
    [{ safeMode: 'no' }, '@RequireMfa: safeMode must be true or false'],
    [
      { maxAge: 60 },
      '@RequireMfa: maxAge: there is no such option; did you mean maxAgeSeconds?',
    ],
    [null, '@RequireMfa: options must be an object'],
  ])('%j', (options, message) => {
    expect(() => RequireMfa(options as RequireMfaOptions)).toThrow(message);
  });

  it('two decorators of one place that contradict each other', () => {
    expect(() => {
      class Both {
        @SkipMfa() @RequireMfa() both() {}
        @RequireMfa() @SkipMfa() too() {}
      }
      return Both;
    }).toThrow('both has both @RequireMfa and @SkipMfa: remove one of them.');
    expect(() => {
      @RequireMfa({ methods: ['email'] })
      @RequireMfa({ methods: ['totp'] })
      class Never {}
      return Never;
    }).toThrow('@RequireMfa on Never: the methods of its decorators have none');
  });
});
