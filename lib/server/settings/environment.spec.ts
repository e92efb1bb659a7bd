import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { USAGE } from '../cli/usage.js';
import { createEncryptionKey } from '../store/key-file.js';
import { optionsFromEnvironment, unknownVariables } from './environment.js';
import type { Environment } from './environment-values.js';

const { id, key } = createEncryptionKey();

it('has the documented defaults', () => {
  expect(optionsFromEnvironment({ PORT: '' })).toEqual({
    host: '127.0.0.1',
    port: 4000,
    log: { format: 'text', level: 'warn' },
    shutdown: { delayMs: 0, timeoutMs: 10_000 },
    database: 'sqlite:gauthify.sqlite',
    publicUrl: 'http://127.0.0.1:4000',
    apiKeys: [],
    encryptionKeys: undefined,
    keyProvider: undefined,
    issuer: 'GAuthify',
    returnUrls: {},
    frameAncestors: [],
    keepQrUrl: false,
    audit: true,
    legacyRoutes: false,
    twilio: undefined,
    smsHttp: undefined,
    voiceHttp: undefined,
    smsCountries: undefined,
    smtp: undefined,
    metrics: undefined,
    whileLocked: 'error',
  });
});

const DKIM_KEY_FILE = join(mkdtempSync(join(tmpdir(), 'gauthify-')), 'dkim');
const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
writeFileSync(DKIM_KEY_FILE, privateKey);
afterAll(() => rmSync(dirname(DKIM_KEY_FILE), { recursive: true }));

const EVERY: Record<string, string> = {
  HOST: '::1',
  PORT: '5000',
  PUBLIC_URL: 'https://mfa.example.com',
  DATABASE_URL: 'sqlite::memory:',
  GAUTHIFY_API_KEYS: `a:${'k'.repeat(16)}, b:${'k:'.repeat(16)}`,
  GAUTHIFY_ENCRYPTION_KEYS: `${id}:${key}`,
  GAUTHIFY_ISSUER: 'My Bank',
  GAUTHIFY_RETURN_URLS: 'a=https://a.example.com/?x=1',
  GAUTHIFY_FRAME_ANCESTORS: 'https://a.example.com',
  GAUTHIFY_KEEP_QR_URL: 'true',
  GAUTHIFY_LEGACY_ROUTES: 'true',
  GAUTHIFY_AUDIT: 'false',
  SMTP_URL: 'smtp://user:pass@mail.example.com',
  MAIL_FROM: 'bank@example.com',
  DKIM_DOMAIN: 'example.com',
  DKIM_SELECTOR: 'codes',
  DKIM_KEY_FILE,
  TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
  TWILIO_AUTH_TOKEN: 'token',
  TWILIO_FROM: '+4915112345678',
  TWILIO_BASE_URL: 'https://gateway.example.com',
  SMS_HTTP_URL: 'https://sms.example.com/{to}',
  SMS_HTTP_METHOD: 'PUT',
  SMS_HTTP_HEADERS: '{"content-type":"text/plain"}',
  SMS_HTTP_BODY: '{text}',
  VOICE_HTTP_URL: 'https://voice.example.com/{to}',
  VOICE_HTTP_METHOD: 'POST',
  VOICE_HTTP_HEADERS: '{"content-type":"application/json"}',
  VOICE_HTTP_BODY: '{"say":"{code}"}',
  GAUTHIFY_SMS_COUNTRIES: 'DE, AT',
  GAUTHIFY_WHILE_LOCKED: 'false',
  METRICS_PORT: '9464',
  METRICS_HOST: '::1',
  METRICS_REALMS: 'true',
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'info',
  SHUTDOWN_DELAY_SECONDS: '5',
  SHUTDOWN_TIMEOUT_SECONDS: '20',
};

it('reads every variable', () => {
  expect(optionsFromEnvironment(EVERY)).toEqual({
    host: '::1',
    port: 5000,
    log: { format: 'json', level: 'info' },
    shutdown: { delayMs: 5_000, timeoutMs: 20_000 },
    metrics: { port: 9464, host: '::1', realms: true },
    database: 'sqlite::memory:',
    publicUrl: 'https://mfa.example.com',
    apiKeys: [
      { realm: 'a', key: 'k'.repeat(16) },
      { realm: 'b', key: 'k:'.repeat(16) },
    ],
    encryptionKeys: [{ id, key }],
    keyProvider: undefined,
    issuer: 'My Bank',
    returnUrls: { a: 'https://a.example.com/?x=1' },
    frameAncestors: ['https://a.example.com'],
    keepQrUrl: true,
    audit: false,
    legacyRoutes: true,
    twilio: {
      accountSid: EVERY.TWILIO_ACCOUNT_SID,
      authToken: 'token',
      from: '+4915112345678',
      baseUrl: 'https://gateway.example.com',
    },
    smsHttp: {
      url: 'https://sms.example.com/{to}',
      method: 'PUT',
      headers: { 'content-type': 'text/plain' },
      body: '{text}',
    },
    voiceHttp: {
      url: 'https://voice.example.com/{to}',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"say":"{code}"}',
    },
    smsCountries: ['DE', 'AT'],
    smtp: {
      url: 'smtp://user:pass@mail.example.com',
      from: 'bank@example.com',
      dkim: { domain: 'example.com', selector: 'codes', privateKey },
    },
    whileLocked: 'false',
  });
});

it('takes an empty value for none', () => {
  const empty = Object.fromEntries(
    Object.keys(EVERY).map((name) => [name, '']),
  );
  expect(optionsFromEnvironment(empty)).toEqual(optionsFromEnvironment({}));
});

it('has every variable in the help of the program', () => {
  const named = USAGE.match(/\b(?:HOST|PORT|[A-Z]+_[A-Z_]+)\b/g);
  expect([...new Set(named)].sort()).toEqual(
    [
      ...Object.keys(EVERY),
      // Read by commands, and by `loadKeyProvider`.
      'BETTER_AUTH_SECRET',
      'BETTER_AUTH_SECRETS',
      'GAUTHIFY_API_KEY',
      'GAUTHIFY_KEY_PROVIDER',
      'GAUTHIFY_PASSPHRASE',
      'PRIVACYIDEA_KEY',
    ].sort(),
  );
});

it('names each unknown GAUTHIFY_ variable, and the one that was probably meant', () => {
  expect(
    unknownVariables({
      GAUTHIFY_KEEP_QRURL: 'true',
      GAUTHIFY_ISSUER: 'My Bank',
      GAUTHIFY_COLOUR_OF_THE_BUTTONS: 'red',
      PATH: '/bin',
    }),
  ).toEqual([
    'GAUTHIFY_KEEP_QRURL is not a variable of the server, and is ignored; did you mean GAUTHIFY_KEEP_QR_URL?',
    'GAUTHIFY_COLOUR_OF_THE_BUTTONS is not a variable of the server, and is ignored',
  ]);
});

describe('a wrong value is named in one sentence', () => {
  it.each<[Environment, string]>([
    [{ PORT: 'abc' }, 'PORT must be a number'],
    [
      { GAUTHIFY_KEEP_QR_URL: 'yes' },
      'GAUTHIFY_KEEP_QR_URL must be true or false, but is "yes"',
    ],
    [{ PORT: '65536' }, 'PORT must be a number'],
    [{ METRICS_PORT: '65536' }, 'METRICS_PORT must be a number'],
    [{ METRICS_HOST: '::' }, 'METRICS_HOST is set: set METRICS_PORT'],
    [{ METRICS_REALMS: 'true' }, 'METRICS_REALMS is set: set METRICS_PORT'],
    [{ LOG_FORMAT: 'xml' }, 'LOG_FORMAT must be text or json, but is "xml"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL must be error, warn, info, or debug'],
    [{ SHUTDOWN_DELAY_SECONDS: '5s' }, 'SHUTDOWN_DELAY_SECONDS must be'],
    [{ SHUTDOWN_TIMEOUT_SECONDS: '-1' }, 'SHUTDOWN_TIMEOUT_SECONDS must be'],
    [{ PORT: '-1' }, 'PORT must be a number'],
    [{ PUBLIC_URL: 'example.com' }, 'PUBLIC_URL'],
    [{ PUBLIC_URL: 'ftp://example.com' }, 'PUBLIC_URL'],
    [{ PUBLIC_URL: 'https://example.com/?a=b' }, 'PUBLIC_URL'],
    [{ DATABASE_URL: 'mysql://x' }, 'DATABASE_URL'],
    [{ DATABASE_URL: 'sqlite:' }, 'DATABASE_URL'],
    [
      { GAUTHIFY_WHILE_LOCKED: 'maybe' },
      'GAUTHIFY_WHILE_LOCKED must be "error" or "false", but is "maybe"',
    ],
    [{ GAUTHIFY_API_KEYS: 'secret-without-realm' }, 'GAUTHIFY_API_KEYS'],
    [{ GAUTHIFY_API_KEYS: 'a:short-secret' }, 'GAUTHIFY_API_KEYS'],
    [{ GAUTHIFY_API_KEYS: `a b:${'secret'.repeat(4)}` }, 'GAUTHIFY_API_KEYS'],
    [{ GAUTHIFY_ENCRYPTION_KEYS: 'a:secret' }, 'GAUTHIFY_ENCRYPTION_KEYS'],
    [
      { GAUTHIFY_ENCRYPTION_KEYS: `a:${key},a:${key}` },
      'GAUTHIFY_ENCRYPTION_KEYS',
    ],
    [{ GAUTHIFY_ISSUER: 'a:b' }, 'GAUTHIFY_ISSUER'],
    [{ GAUTHIFY_RETURN_URLS: 'https://a.example.com' }, 'GAUTHIFY_RETURN_URLS'],
    [{ GAUTHIFY_RETURN_URLS: 'a=javascript:alert(1)' }, 'GAUTHIFY_RETURN_URLS'],
    [{ GAUTHIFY_FRAME_ANCESTORS: '*' }, 'GAUTHIFY_FRAME_ANCESTORS'],
    [{ SMTP_URL: 'smtp://mail.example.com' }, 'MAIL_FROM'],
    [{ MAIL_FROM: 'a@example.com' }, 'SMTP_URL'],
    [
      { SMTP_URL: 'http://user:secret@x', MAIL_FROM: 'a@example.com' },
      'SMTP_URL',
    ],
    [{ SMTP_URL: 'smtp://x', MAIL_FROM: 'nobody' }, 'MAIL_FROM'],
  ])('%j', (environment, name) => {
    const start = () => optionsFromEnvironment(environment);
    expect(start).toThrow(name);
    expect(start).not.toThrow(/option/i);
    expect(start).toThrow(expect.objectContaining({ name: 'StartError' }));
    expect(start).not.toThrow(/secret|\n/);
  });
});
