import { CHANNELS } from '../../contract/channel.js';
import { AUTH_METHODS } from '../../contract/dto/check-result.dto.js';
import { ERROR_CODES } from '../../contract/error-codes.js';
import type { Schema } from './request-schema.js';

const TEXT = { type: 'string' };
const TEXT_OR_NULL = { type: ['string', 'null'] };
const TIME = { type: 'string', format: 'date-time' };
const TIME_OR_NULL = { type: ['string', 'null'], format: 'date-time' };
const LINK = { type: 'string', format: 'uri' };
const EPOCH = {
  ...TEXT,
  description:
    'Changes with every reset, deletion of an active factor, and change of an address or number.',
};
const METHOD = {
  enum: [...AUTH_METHODS, null],
  description: 'Kind of the code that was right.',
};

/** A schema of an object with these members; those after `required` may be missing. */
const object = (required: Record<string, Schema>, optional = {}): Schema => ({
  type: 'object',
  properties: { ...required, ...optional },
  required: Object.keys(required),
});

export const ref = (name: string): Schema => ({
  $ref: `#/components/schemas/${name}`,
});

export const listOf = (items: Schema): Schema => ({ type: 'array', items });

const FACTOR = {
  id: TEXT,
  kind: {
    ...TEXT,
    description: 'totp or otp; a newer server may have others.',
  },
  name: TEXT_OR_NULL,
  state: { enum: ['pending', 'active'] },
  created_at: TIME,
  last_used_at: TIME_OR_NULL,
  expires_at: TIME_OR_NULL,
};

const USER = {
  unique_id: TEXT,
  display_name: TEXT,
  email: TEXT_OR_NULL,
  sms_number: TEXT_OR_NULL,
  voice_number: TEXT_OR_NULL,
  meta: { type: ['object', 'null'] },
  key: { ...TEXT, description: 'TOTP secret, base32.' },
  otp: { ...TEXT, description: 'One-time pass: check accepts it once.' },
  qr_url: LINK,
  ez_url: LINK,
  instructions_url: LINK,
  display_text: TEXT,
  created_at: TIME,
  groups: listOf({}),
  enrolled: { type: 'boolean' },
  otpauth_uri: { ...TEXT, description: 'What a QR code of your own shows.' },
  epoch: EPOCH,
  recovery_codes_left: { type: 'integer', minimum: 0 },
};

/** What the calls answer as `data`, and the envelope of an error. */
export const ANSWER_SCHEMAS: Readonly<Record<string, Schema>> = {
  User: object(USER),
  UserByToken: object({ ...USER, method: METHOD }),
  CheckResult: object(
    { unique_id: TEXT, authenticated: { type: 'boolean' }, method: METHOD },
    { epoch: EPOCH },
  ),
  Factor: object(FACTOR),
  NewFactor: object({
    ...FACTOR,
    unique_id: TEXT,
    epoch: EPOCH,
    key: { ...TEXT, description: 'TOTP secret, base32; shown this once.' },
    otpauth_uri: TEXT,
    qr: { ...TEXT, description: 'The QR code: an SVG image.' },
  }),
  RecoveryCodes: object({
    unique_id: TEXT,
    epoch: EPOCH,
    recovery_codes: listOf(TEXT),
  }),
  Realm: object({
    name: TEXT,
    meta: { type: ['object', 'null'] },
  }),
  ErrorCodes: { type: 'object', additionalProperties: TEXT },
  OutboxMessage: object({
    channel: { enum: CHANNELS },
    to: TEXT,
    subject: TEXT,
    text: TEXT,
    unique_id: TEXT,
    sent_at: TIME,
  }),
  Health: object({ status: { enum: ['ok', 'unavailable'] } }),
  Error: object({
    error_message: TEXT,
    error_code: { enum: Object.keys(ERROR_CODES) },
    http_status: { type: 'integer' },
    request_id: TEXT,
    server_time: TIME,
  }),
};

/** A successful answer. */
export const envelopeOf = (data: Schema): Schema =>
  object({
    data,
    request_id: { ...TEXT, pattern: '^[0-9a-f]{32}$' },
    server_time: TIME,
  });
