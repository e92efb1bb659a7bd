import { expect, it } from '@jest/globals';
import { inWords } from './wait-text.js';

it.each([
  [1, '1 second'],
  [5, '5 seconds'],
  [119, '119 seconds'],
  [120, '2 minutes'],
  [121, '3 minutes'],
  [7199, '120 minutes'],
  [7200, '2 hours'],
  [86_399, '24 hours'],
])('says %i seconds as %s', (seconds, words) => {
  expect(inWords(seconds)).toBe(words);
});
