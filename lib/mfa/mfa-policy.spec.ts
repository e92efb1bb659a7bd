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

@RequireMfa({ methods: ['totp'] })
class StricterInherited extends Payments {}

@SkipMfa()
class OpenOverriding extends Payments {
  override pay() {}
  override list() {}
}

/** Replaces the function, as decorators that log or cache do. */
function Wrap(_: object, __: string, descriptor: PropertyDescriptor) {
  const wrapped = descriptor.value as () => void;
  descriptor.value = function (this: unknown) {
    return wrapped.call(this);
  };
}

class Wrapped {
  @Wrap @RequireMfa({ maxAgeSeconds: 5 }) above() {}
  @RequireMfa({ maxAgeSeconds: 6 }) @Wrap below() {}
}

class WrappedInherited extends Wrapped {
  @Wrap override above() {}
}

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
  [
    'a subclass, where the handler it inherits skips',
    StricterInherited.prototype.open,
    StricterInherited,
    { methods: ['totp'], safeMode: false },
  ],
  [
    'a handler that is overridden in a controller that skips',
    OpenOverriding.prototype.pay,
    OpenOverriding,
    { methods: ['totp', 'otp'], safeMode: false, maxAgeSeconds: 60 },
  ],
  [
    'nothing of a controller that skips, about its base class',
    OpenOverriding.prototype.list,
    OpenOverriding,
    { skip: true },
  ],
  [
    'a handler below a decorator that wraps it',
    Wrapped.prototype.above,
    Wrapped,
    { maxAgeSeconds: 5 },
  ],
  [
    'a handler above a decorator that wraps it',
    Wrapped.prototype.below,
    Wrapped,
    { maxAgeSeconds: 6 },
  ],
  [
    'a handler that a wrapped one overrides',
    WrappedInherited.prototype.above,
    WrappedInherited,
    { maxAgeSeconds: 5 },
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
