import { describe, expect, it } from '@jest/globals';
import {
  matchTotp,
  oneTimePass,
  otpauthUri,
  stepAt,
  toBase32,
  totpCode,
} from './otp.js';

const secret = Buffer.from('12345678901234567890');

describe('RFC 4226 appendix D', () => {
  it.each([
    [0, '755224'],
    [1, '287082'],
    [2, '359152'],
    [3, '969429'],
    [4, '338314'],
    [5, '254676'],
    [6, '287922'],
    [7, '162583'],
    [8, '399871'],
    [9, '520489'],
  ])('counter %i gives %s', (counter, code) => {
    expect(totpCode(secret, counter)).toBe(code);
    // Same truncated value, two digits more.
    expect(oneTimePass(secret, counter).slice(-6)).toBe(code);
  });
});

// Eight digits there, the last six of them here: both are the same number modulo a power of ten.
describe('RFC 6238 appendix B, SHA-1', () => {
  it.each([
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ])('second %i gives %s', (seconds, eightDigits) => {
    const step = stepAt(seconds * 1000);
    expect(totpCode(secret, step)).toBe(eightDigits.slice(-6));
    expect(oneTimePass(secret, step)).toBe(eightDigits);
    expect(matchTotp(secret, eightDigits.slice(-6), seconds * 1000, 1)).toBe(
      step,
    );
  });
});

describe('the TOTP window', () => {
  const now = 1_700_000_000_000;
  const step = stepAt(now);

  it.each([
    [-2, undefined],
    [-1, step - 1],
    [0, step],
    [1, step + 1],
    [2, undefined],
  ])('a code %i steps away is of step %p', (away, expected) => {
    expect(matchTotp(secret, totpCode(secret, step + away), now, 1)).toBe(
      expected,
    );
  });
});

it('writes the URI that authenticator apps scan', () => {
  const uri = new URL(otpauthUri(secret, 'My Bank', 'jane@example.com'));
  expect(uri.protocol).toBe('otpauth:');
  expect(decodeURIComponent(uri.pathname)).toContain(
    'My Bank:jane@example.com',
  );
  expect(Object.fromEntries(uri.searchParams)).toEqual({
    secret: toBase32(secret),
    issuer: 'My Bank',
  });
});
