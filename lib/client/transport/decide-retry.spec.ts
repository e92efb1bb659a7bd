import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { decideRetry } from './decide-retry.js';
import { type Effect, effectOf } from './effect-of.js';
import type { Failure } from './failure.js';
import type { WireCall } from './wire-call.js';

const final: Failure = { kind: 'final', error: new NotFoundError('no') };
const unsent: Failure = { kind: 'unsent', reason: 'refused' };
const turnedAway: Failure = { kind: 'turned-away', reason: 'a page' };
const lost: Failure = { kind: 'lost', reason: 'closed' };

describe('decideRetry', () => {
  it.each<[Failure, Effect, boolean, 'next' | 'stop', 'next' | 'stop']>([
    //                            shares  safe    legacy
    [final, 'none', true, 'stop', 'stop'],
    [final, 'repeatable', true, 'stop', 'stop'],
    [final, 'once', true, 'stop', 'stop'],
    [unsent, 'none', false, 'next', 'next'],
    [unsent, 'repeatable', false, 'next', 'next'],
    [unsent, 'once', false, 'next', 'next'],
    [turnedAway, 'none', false, 'next', 'next'],
    [turnedAway, 'repeatable', false, 'next', 'next'],
    [turnedAway, 'once', false, 'next', 'next'],
    [lost, 'none', false, 'next', 'next'],
    [lost, 'repeatable', false, 'next', 'next'],
    [lost, 'once', false, 'stop', 'next'],
    [lost, 'once', true, 'next', 'next'],
  ])('%j of a call with effect %s, shared %s: %s', (...row) => {
    const [failure, effect, sharesAnswers, safe, legacy] = row;
    expect(
      decideRetry(failure, { effect, sharesAnswers, policy: 'safe' }),
    ).toBe(safe);
    expect(
      decideRetry(failure, { effect, sharesAnswers, policy: 'legacy' }),
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
  ])('%s %s %j: %s', (method, path, params, effect) => {
    expect(effectOf({ method, path, params })).toBe(effect);
  });
});
