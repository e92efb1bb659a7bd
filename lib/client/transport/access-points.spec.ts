import { describe, expect, it } from '@jest/globals';
import { AccessPoints } from './access-points.js';

const NEW = new Map<never, never>();

function three() {
  let now = 0;
  const points = new AccessPoints(['a', 'b', 'c'], 30_000, 5_000, () => now);
  const [a, b, c] = points.list();
  return {
    points,
    a: a!,
    b: b!,
    c: c!,
    pass: (ms: number) => (now += ms),
    picked: () => points.pick(NEW)?.point.url,
  };
}

it('asks the first while it works', () => {
  const { points, a, picked } = three();
  points.succeeded(a);
  expect([picked(), picked()]).toEqual(['a', 'a']);
});

it('leaves one that failed alone for the cool-down', () => {
  const { points, a, pass, picked } = three();
  points.failed(a);
  pass(29_999);
  expect(picked()).toBe('b');
});

it('then lets one call try it, while others go on', () => {
  const { points, a, pass, picked } = three();
  points.failed(a);
  pass(30_000);
  expect([picked(), picked(), picked()]).toEqual(['a', 'b', 'b']);
  points.succeeded(a);
  expect([picked(), picked()]).toEqual(['a', 'a']);
});

it('leaves it alone again where it still fails', () => {
  const { points, a, pass, picked } = three();
  points.failed(a);
  pass(30_000);
  expect(picked()).toBe('a');
  points.failed(a);
  expect(picked()).toBe('b');
  pass(30_000);
  expect([picked(), picked()]).toEqual(['a', 'b']);
});

it('lets another call try where the first was unsubscribed', () => {
  const { points, a, pass, picked } = three();
  points.failed(a);
  pass(30_000);
  expect(points.pick(NEW)).toEqual({ point: a, isProbe: true });
  points.unprobed(a);
  expect(picked()).toBe('a');
});

describe('where nobody waits for the answer', () => {
  const ask = ({ points, a, pass }: ReturnType<typeof three>, ms: number) => {
    points.asked(a);
    pass(ms);
    points.gaveUp(a);
  };

  it('leaves it alone once it was silent long enough, all together', () => {
    const it = three();
    for (let i = 0; i < 4; i++) {
      ask(it, 1_000);
      // Time in which it is not asked is no silence.
      it.pass(60_000);
    }
    expect(it.picked()).toBe('a');
    ask(it, 1_000);
    expect(it.picked()).toBe('b');
  });

  it('counts the time of several requests at once as one', () => {
    const it = three();
    const { points, a, pass, picked } = it;
    for (let i = 0; i < 10; i++) points.asked(a);
    pass(1_000);
    for (let i = 0; i < 10; i++) points.gaveUp(a);
    expect(picked()).toBe('a');
  });

  it('begins anew with each answer', () => {
    const it = three();
    const { points, a, picked } = it;
    ask(it, 4_000);
    points.asked(a);
    points.succeeded(a);
    ask(it, 4_000);
    expect(picked()).toBe('a');
  });
});

it('does not spend a call on one that is not preferred', () => {
  const { points, b, pass, picked } = three();
  points.failed(b);
  pass(30_000);
  expect([picked(), picked()]).toEqual(['a', 'a']);
});

it('asks in order where all are cooling down', () => {
  const { points, a, b, c } = three();
  [c, b, a].forEach((it) => points.failed(it));
  const tried = new Map();
  const next = () => points.pick(tried)?.point;
  const order = [];
  for (let it = next(); it; it = next()) {
    order.push(it.url);
    tried.set(it, { times: 1, answers: 0, isClosed: false });
  }
  expect(order).toEqual(['a', 'b', 'c']);
});

it('asks first what worked last where all are cooling down', () => {
  const { points, a, b, c, pass, picked } = three();
  points.failed(a);
  pass(10);
  points.succeeded(b);
  [c, b].forEach((it) => points.failed(it));
  expect(picked()).toBe('b');
  // Not a probe, which one call alone would make.
  pass(40_000);
  expect([picked(), picked()]).toEqual(['b', 'b']);
});

it('asks one a second time only where there is hope', () => {
  const { points, a, b } = three();
  const tried = new Map([
    [a, { times: 1, answers: 0, isClosed: false }],
    [b, { times: 1, answers: 0, isClosed: false }],
  ]);
  expect(points.pickAgain(tried)).toBeUndefined();
  points.succeeded(b);
  expect(points.pickAgain(tried)?.url).toBe('b');
  tried.set(b, { times: 2, answers: 0, isClosed: true });
  expect(points.pickAgain(tried)).toBeUndefined();
  tried.set(a, { times: 1, answers: 0, isClosed: true });
  expect(points.pickAgain(tried)?.url).toBe('a');
});
