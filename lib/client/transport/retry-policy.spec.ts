import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import type { WireCall } from './http-client.js';
import {
  decideRetry,
  type Effect,
  effectOf,
  type Failure,
} from './retry-policy.js';

const answered: Failure = { kind: 'answered', error: new NotFoundError('no') };
const notSent: Failure = { kind: 'notSent', reason: 'refused' };
const rejected: Failure = { kind: 'rejected', reason: 'a page' };
const indeterminate: Failure = { kind: 'indeterminate', reason: 'closed' };

describe('decideRetry', () => {
  it.each<[Failure, Effect, boolean, 'next' | 'stop', 'next' | 'stop']>([
    //                            shares  safe    legacy
    [answered, 'none', true, 'stop', 'stop'],
    [answered, 'repeatable', true, 'stop', 'stop'],
    [answered, 'once', true, 'stop', 'stop'],
    [notSent, 'none', false, 'next', 'next'],
    [notSent, 'repeatable', false, 'next', 'next'],
    [notSent, 'once', false, 'next', 'next'],
    [rejected, 'none', false, 'next', 'next'],
    [rejected, 'repeatable', false, 'next', 'next'],
    [rejected, 'once', false, 'next', 'next'],
    [indeterminate, 'none', false, 'next', 'next'],
    [indeterminate, 'repeatable', false, 'next', 'next'],
    [indeterminate, 'once', false, 'stop', 'next'],
    [indeterminate, 'once', true, 'next', 'next'],
  ])('%j of a call with effect %s, shared %s: %s', (...row) => {
    const [failure, effect, sharesIdempotencyStore, safe, legacy] = row;
    expect(
      decideRetry(failure, { effect, sharesIdempotencyStore, policy: 'safe' }),
    ).toBe(safe);
    expect(
      decideRetry(failure, {
        effect,
        sharesIdempotencyStore,
        policy: 'legacy',
      }),
    ).toBe(legacy);
  });
});

describe('effectOf', () => {
  it.each<[WireCall['method'], string, Record<string, string>, Effect]>([
    ['GET', 'users/', {}, 'none'],
    ['DELETE', 'users/jane/', {}, 'repeatable'],
    ['PUT', 'users/jane/', { email: '' }, 'repeatable'],
    ['PUT', 'users/jane/', { reset_key: 'false' }, 'repeatable'],
    ['PUT', 'users/jane/', { reset_key: 'true' }, 'once'],
    ['POST', 'token/', { token: 'gat' }, 'repeatable'],
    ['POST', 'users/', {}, 'once'],
    ['POST', 'check/', {}, 'once'],
    ['POST', 'email/', {}, 'once'],
    ['POST', 'sms/', {}, 'once'],
    ['POST', 'voice/', {}, 'once'],
    ['GET', 'users/jane/factors/', {}, 'none'],
    ['POST', 'users/jane/factors/', { kind: 'totp' }, 'once'],
    ['PUT', 'users/jane/factors/1/', { name: 'x' }, 'repeatable'],
    ['DELETE', 'users/jane/factors/1/', {}, 'repeatable'],
    ['POST', 'users/jane/recovery_codes/', {}, 'once'],
    ['POST', 'users/jane/unlock/', {}, 'repeatable'],
  ])('%s %s %j: %s', (method, path, params, effect) => {
    expect(effectOf({ method, path, params })).toBe(effect);
  });
});
