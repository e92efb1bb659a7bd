import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { denialBody, denialHeaders, type MfaDenialDetails } from './denials.js';

it.each<[MfaDenialDetails, string]>([
  [{}, 'A code is required.'],
  [{ methods: ['totp'] }, 'A code from your authenticator app is required.'],
  [{ methods: ['email'] }, 'A code by e-mail is required.'],
  [
    { methods: ['totp', 'email'] },
    'A code from your authenticator app or by e-mail is required.',
  ],
  [
    { methods: ['otp', 'sms', 'voice'] },
    'A code from your one-time pass, by SMS or by phone call is required.',
  ],
  [
    { methods: ['totp', 'recovery'] },
    'A code from your authenticator app or from your recovery codes is required.',
  ],
  [{ maxAgeSeconds: 60 }, 'A code, entered in the last minute, is required.'],
  [
    { methods: ['sms'], maxAgeSeconds: 300 },
    'A code by SMS, entered in the last 5 minutes, is required.',
  ],
  [
    { methods: ['totp'], maxAgeSeconds: 90 },
    'A code from your authenticator app, entered in the last 90 seconds, is required.',
  ],
])('asks for a code that the user can bring: %j', (details, message) => {
  const body = denialBody('mfa_required', details);
  expect(body.message).toBe(message);
  const [[, header]] = denialHeaders(body) as [[string, string]];
  expect(header).toContain(`error_description="${message}"`);
});
