import type { ErrorCode } from '../../contract/error-codes.js';
import { listOf, ref } from './answer-schemas.js';
import type { Schema } from './request-schema.js';

/** What no metadata of the controllers says of a route. */
export interface Operation {
  /** One sentence without a full stop. */
  summary: string;
  /** `data` of a successful answer; of a route without an API key, its content by media type. */
  answer: Schema;
  /** Besides those of every call. */
  errors?: readonly ErrorCode[];
  /** Other statuses of a route without an API key, with what they mean. */
  statuses?: Readonly<Record<number, string>>;
}

const USER = ref('User');
const FACTOR = ref('Factor');
const PAGE = { 'text/html': { schema: { type: 'string' } } };
const JSON_OBJECT = { 'application/json': { schema: { type: 'object' } } };
const HEALTH = { 'application/json': { schema: ref('Health') } };

const OF_USER = ['user_not_found', 'user_changed'] as const;
const OF_FACTOR = [...OF_USER, 'factor_not_found'] as const;
const OF_SEND = [
  ...OF_USER,
  'no_address',
  'country_not_allowed',
  'number_not_supported',
  'too_many_sends',
  'too_many_unused_codes',
  'delivery_failed',
  'delivery_unknown',
] as const;
const OF_LINK = {
  404: 'The link is unknown, or a newer one has replaced it.',
  500: 'The server failed.',
};

/** Every route, by its method and its path without the mount path. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /v1/users': {
    summary: 'Create a user',
    answer: USER,
    errors: ['user_exists', 'user_changed'],
  },
  'GET /v1/users': {
    summary: 'List the users, all of them or a page',
    answer: listOf(USER),
  },
  'GET /v1/users/{unique_id}': {
    summary: 'Get a user',
    answer: USER,
    errors: ['user_not_found'],
  },
  'PUT /v1/users/{unique_id}': {
    summary: 'Change a user, or reset their secret',
    answer: USER,
    errors: [...OF_USER, 'user_enrolled'],
  },
  'DELETE /v1/users/{unique_id}': {
    summary: 'Delete a user; the answer is the user as they last were',
    answer: USER,
    errors: ['user_not_found'],
  },
  'POST /v1/users/{unique_id}/unlock': {
    summary: 'Forgive wrong codes, without a new secret',
    answer: USER,
    errors: OF_USER,
  },
  'GET /v1/users/{unique_id}/factors': {
    summary: 'List the factors of a user, the oldest first',
    answer: listOf(FACTOR),
    errors: ['user_not_found'],
  },
  'POST /v1/users/{unique_id}/factors': {
    summary: 'Add an authenticator app',
    answer: ref('NewFactor'),
    errors: [...OF_USER, 'too_many_factors'],
  },
  'PUT /v1/users/{unique_id}/factors/{factor}': {
    summary: 'Rename a factor',
    answer: FACTOR,
    errors: OF_FACTOR,
  },
  'DELETE /v1/users/{unique_id}/factors/{factor}': {
    summary: 'Delete a factor; the answer is the factor as it last was',
    answer: FACTOR,
    errors: [...OF_FACTOR, 'factor_needed'],
  },
  'POST /v1/users/{unique_id}/recovery_codes': {
    summary: 'Make ten recovery codes, which replace those made before',
    answer: ref('RecoveryCodes'),
    errors: OF_USER,
  },
  'POST /v1/check': {
    summary: 'Check a code; a right one is then used up',
    answer: ref('CheckResult'),
    errors: ['user_not_found', 'too_many_attempts', 'user_locked'],
  },
  'POST /v1/token': {
    summary: 'Trade a token of the ezGAuth page for its user, once',
    answer: ref('UserByToken'),
    errors: ['token_not_found'],
  },
  'POST /v1/email': {
    summary: 'Send a code by e-mail',
    answer: USER,
    errors: OF_SEND,
  },
  'POST /v1/sms': {
    summary: 'Send a code by SMS',
    answer: USER,
    errors: OF_SEND,
  },
  'POST /v1/voice': {
    summary: 'Tell a code in a voice call',
    answer: USER,
    errors: OF_SEND,
  },
  'GET /v1/realm': {
    summary: 'The realm of the API key',
    answer: ref('Realm'),
    errors: [],
  },
  'GET /v1/errors': {
    summary: 'List the error codes',
    answer: ref('ErrorCodes'),
  },
  'GET /v1/outbox': {
    summary: 'List the messages of channels that nothing is configured for',
    answer: listOf(ref('OutboxMessage')),
  },
  'GET /v1/qr/{id}/{signature}': {
    summary: 'QR code of a user, until their first right code',
    answer: { 'image/png': {} },
    statuses: { ...OF_LINK, 410: 'The QR code has been used.' },
  },
  'GET /v1/instructions/{id}/{signature}': {
    summary: 'Page that tells a person how to set up an authenticator app',
    answer: PAGE,
    statuses: OF_LINK,
  },
  'GET /v1/ez/{id}/{signature}': {
    summary: 'The ezGAuth page: enrols a user, or asks for a code',
    answer: PAGE,
    statuses: OF_LINK,
  },
  'POST /v1/ez/{id}/{signature}': {
    summary: 'The form of the ezGAuth page; its field is auth_code',
    answer: PAGE,
    statuses: {
      ...OF_LINK,
      303: 'The code was right: to the return URL of the realm, with ?token=gat….',
    },
  },
  'GET /healthz/live': {
    summary: 'Whether the process answers',
    answer: HEALTH,
  },
  'GET /healthz/ready': {
    summary: 'Whether requests should be sent to this instance',
    answer: HEALTH,
    statuses: { 503: 'The database does not answer, or a shutdown has begun.' },
  },
  'GET /openapi.json': {
    summary: 'This document',
    answer: JSON_OBJECT,
  },
  'GET /openapi': {
    summary: 'This document as a page',
    answer: PAGE,
  },
  'GET /': {
    summary: 'Page that says what this server is',
    answer: PAGE,
  },
};
