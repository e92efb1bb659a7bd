import {
  afterEach,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { Logger } from '@nestjs/common';
import { AccessPoint } from './access-point.js';

function one() {
  let now = 0;
  const times = { cooldownMs: 30_000, patienceMs: 5_000 };
  const a = new AccessPoint('a', times, () => now);
  return { a, pass: (ms: number) => (now += ms) };
}

describe('the log of an access point', () => {
  let warn: jest.Spied<Logger['warn']>;
  let log: jest.Spied<Logger['log']>;
  const lines = () => [
    ...warn.mock.calls.map(([line]) => `warn ${line}`),
    ...log.mock.calls.map(([line]) => `log ${line}`),
  ];
  beforeEach(() => {
    warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    log = jest.spyOn(Logger.prototype, 'log').mockReturnValue();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('says once that it is down and why, and once that it works again', () => {
    const { a, pass } = one();
    a.begin().settle('failed', 'answered 502');
    a.begin().settle('failed', 'answered 503');
    pass(30_000);
    a.begin(true).settle('failed', 'answered 503');
    expect(lines()).toEqual([
      'warn Access point down: a answered 502. Others are asked first for 30000 ms (accessPointCooldownMs).',
    ]);
    pass(30_000);
    a.begin(true).settle('answered');
    a.begin().settle('answered');
    expect(lines().slice(1)).toEqual(['log Access point up again: a.']);
  });

  it('says so of silence, which nobody waited for', () => {
    const { a, pass } = one();
    const request = a.begin();
    pass(5_000);
    request.settle('abandoned');
    expect(lines()).toEqual([
      'warn Access point down: a did not answer within 5000 ms. Others are asked first for 30000 ms (accessPointCooldownMs).',
    ]);
  });

  it('says nothing of requests that do not open the circuit', () => {
    const { a } = one();
    for (const outcome of ['answered', 'abandoned', 'inconclusive'] as const)
      a.begin().settle(outcome, 'answered 500');
    expect(lines()).toEqual([]);
  });

  it('is not flooded by one that fails now and then, and names a failure that lasts', () => {
    const { a, pass } = one();
    for (let i = 0; i < 100; i++) {
      a.begin().settle('failed', 'answered 502');
      a.begin().settle('answered');
    }
    expect(lines()).toHaveLength(2);
    a.begin().settle('failed', 'answered 502');
    pass(60_000);
    expect(lines()).toHaveLength(2);
    a.begin(true).settle('failed', 'answered 504');
    expect(lines()).toHaveLength(3);
    expect(lines()[1]).toContain('a answered 504');
  });
});
