import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { AccessPoint, Outcome } from './access-point.js';
import { AccessPointPool, type Tried } from './access-point-pool.js';

Logger.overrideLogger(false);

const NEW = new Map<never, never>();

function three() {
  let now = 0;
  const times = { cooldownMs: 30_000, patienceMs: 5_000 };
  const pool = new AccessPointPool(['a', 'b', 'c'], times, () => now);
  const [a, b, c] = pool.list();
  return {
    pool,
    a: a!,
    b: b!,
    c: c!,
    pass: (ms: number) => (now += ms),
    picked: () => pool.pick(NEW)?.point.url,
    /** Picks as a call does, and begins its request. */
    begun: () => {
      const { point, isProbe } = pool.pick(NEW)!;
      return { url: point.url, isProbe, request: point.begin(isProbe) };
    },
  };
}

const settle = (point: AccessPoint, outcome: Outcome) =>
  point.begin().settle(outcome);

it('picks the first while it works', () => {
  const { a, picked } = three();
  settle(a, 'answered');
  expect([picked(), picked()]).toEqual(['a', 'a']);
});

it('leaves one that failed alone for the cool-down', () => {
  const { a, pass, picked } = three();
  settle(a, 'failed');
  expect(a.state).toBe('open');
  pass(29_999);
  expect(picked()).toBe('b');
});

it('then lets one call probe it, while others go on', () => {
  const { a, pass, begun, picked } = three();
  settle(a, 'failed');
  pass(30_000);
  const probe = begun();
  expect([probe.url, picked(), picked()]).toEqual(['a', 'b', 'b']);
  expect(a.state).toBe('half-open');
  probe.request.settle('answered');
  expect([picked(), picked()]).toEqual(['a', 'a']);
  expect(a.state).toBe('closed');
});

it('leaves it alone again if the probe fails', () => {
  const { a, pass, begun, picked } = three();
  settle(a, 'failed');
  pass(30_000);
  begun().request.settle('failed');
  expect(picked()).toBe('b');
  pass(30_000);
  expect([begun().url, picked()]).toEqual(['a', 'b']);
});

it.each<Outcome>(['abandoned', 'inconclusive'])(
  'lets another call probe it if the first probe was %s',
  (outcome) => {
    const { a, pass, begun } = three();
    settle(a, 'failed');
    pass(30_000);
    const probe = begun();
    expect(probe).toMatchObject({ url: 'a', isProbe: true });
    probe.request.settle(outcome);
    expect(begun()).toMatchObject({ url: 'a', isProbe: true });
  },
);

it('stays half-open if a request other than the probe is abandoned', () => {
  const { a, pass, begun } = three();
  const other = a.begin();
  settle(a, 'failed');
  pass(30_000);
  begun();
  settle(a, 'inconclusive');
  other.settle('abandoned');
  expect(a.state).toBe('half-open');
});

describe('if nobody waits for the answer', () => {
  const ask = ({ a, pass }: ReturnType<typeof three>, ms: number) => {
    const request = a.begin();
    pass(ms);
    request.settle('abandoned');
  };

  it('leaves it alone once it was silent long enough in total', () => {
    const its = three();
    for (let i = 0; i < 4; i++) {
      ask(its, 1_000);
      // Time in which no request is pending is not silence.
      its.pass(60_000);
    }
    expect(its.picked()).toBe('a');
    ask(its, 1_000);
    expect(its.picked()).toBe('b');
  });

  it('counts the time of several requests at once as one', () => {
    const { a, pass, picked } = three();
    const requests = Array.from({ length: 10 }, () => a.begin());
    pass(1_000);
    for (const request of requests) request.settle('abandoned');
    expect(picked()).toBe('a');
  });

  it('starts again with each answer', () => {
    const its = three();
    ask(its, 4_000);
    settle(its.a, 'answered');
    ask(its, 4_000);
    expect(its.picked()).toBe('a');
  });
});

it('does not spend a call on one that is not preferred', () => {
  const { b, pass, picked } = three();
  settle(b, 'failed');
  pass(30_000);
  expect([picked(), picked()]).toEqual(['a', 'a']);
});

const tried = (isConnectionClosed = false, times = 1): Tried => ({
  times,
  answers: 0,
  isConnectionClosed,
});

it('picks in order if all are cooling down', () => {
  const { pool, a, b, c } = three();
  for (const point of [c, b, a]) settle(point, 'failed');
  const before = new Map<AccessPoint, Tried>();
  const next = () => pool.pick(before)?.point;
  const order = [];
  for (let point = next(); point; point = next()) {
    order.push(point.url);
    before.set(point, tried());
  }
  expect(order).toEqual(['a', 'b', 'c']);
});

it('picks first what answered last if all are cooling down', () => {
  const { a, b, c, pass, begun } = three();
  settle(a, 'failed');
  pass(10);
  settle(b, 'answered');
  for (const point of [c, b]) settle(point, 'failed');
  expect(begun().url).toBe('b');
  // Not as a probe, which one call alone would make.
  pass(40_000);
  expect([begun(), begun()]).toMatchObject([
    { url: 'b', isProbe: false },
    { url: 'b', isProbe: false },
  ]);
});

it('picks one a second time only if it may have recovered', () => {
  const { pool, a, b } = three();
  const before = new Map([
    [a, tried()],
    [b, tried()],
  ]);
  expect(pool.pickAgain(before)).toBeUndefined();
  settle(b, 'answered');
  expect(pool.pickAgain(before)?.url).toBe('b');
  before.set(b, tried(true, 2));
  expect(pool.pickAgain(before)).toBeUndefined();
  before.set(a, tried(true));
  expect(pool.pickAgain(before)?.url).toBe('a');
});
