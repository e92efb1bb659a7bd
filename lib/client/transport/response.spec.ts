import { expect, it } from '@jest/globals';
import { retryAfterSeconds } from './response.js';

const now = Date.UTC(2026, 0, 1, 12);

it.each([
  ['0', 0],
  ['120', 120],
  [' 120 ', 120],
  ['Thu, 01 Jan 2026 12:00:30 GMT', 30],
  ['Thu, 01 Jan 2026 11:00:00 GMT', 0],
  [undefined, undefined],
  ['', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['soon GMT', undefined],
  ['99999999999999999999', undefined],
  [['1', '2'], undefined],
])('reads Retry-After %j as %p seconds', (header, seconds) => {
  expect(retryAfterSeconds(header, now)).toBe(seconds);
});
