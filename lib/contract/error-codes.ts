/** Every `error_code` this server answers with, stable for ever, and what it means. */
export const ERROR_CODES = {
  invalid_api_key: '401: no API key, or one that is unknown or revoked',
  too_many_attempts:
    '402: too many wrong codes for this user; Retry-After says when the next is compared',
  user_locked:
    '402: the user is locked after too many wrong codes; unlock or reset_key unlocks them',
  too_many_sends:
    '402: too many messages to this user or address; Retry-After says when the next may go',
  too_many_unused_codes:
    '402: too many codes sent to numbers like this one were not entered; Retry-After says when the next may go',
  user_not_found: '404: no user with this unique_id',
  factor_not_found: '404: the user has no such factor',
  token_not_found: '404: the token is unknown, used or expired',
  path_not_found: '404: there is nothing at this path, or not with this method',
  invalid_parameter:
    '406: a parameter is missing or badly formed; the message says which and why',
  invalid_body: '406: the body could not be read; the message says why',
  invalid_request:
    '406: the request is not well-formed HTTP, or its headers are too large; the message says which',
  no_address:
    '406: the user has no address of this kind on file, and none was given',
  country_not_allowed: '406: no SMS or calls go to the country of this number',
  number_not_supported:
    '406: the number cannot receive this, or costs extra; give the number of a person',
  idempotency_key_reused:
    '406: the Idempotency-Key was used for another request: give each request a key of its own',
  user_exists: '409: a user with this unique_id exists already',
  user_enrolled:
    '409: the user is enrolled, and unless_enrolled was asked for; nothing is changed',
  factor_needed:
    '409: the user needs this factor; reset_key replaces the secret of the only authenticator app',
  too_many_factors:
    '409: the user has ten authenticator apps; delete one first',
  user_changed:
    '409: a repetition (Idempotency-Key) of a request that was carried out, but whose user was reset, changed or deleted since',
  delivery_failed:
    '500: the message could not be handed over to be delivered; try again',
  delivery_unknown:
    '500: the message may have been handed over, or not: it counts as sent, and this request is not carried out again',
  request_timeout: '500: the request did not arrive in full in time',
  request_in_progress:
    '500: the first request with this Idempotency-Key has no answer yet, or ended without one; it may have been carried out',
  '500': '500: the server failed; its log has the request_id',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Codes of errors that no server of ours answered with, and what they mean. */
export const CLIENT_ERROR_CODES = {
  unreachable:
    'no access point could serve the call; the cause has the reason of each',
  rate_limited: 'GAuthify answered 402 without a code',
  not_found: 'GAuthify answered 404 without a code',
  conflict: 'GAuthify answered 409 without a code',
} as const;

/**
 * `GAuthifyError.errorCode`: the codes of the server ({@link ERROR_CODES}) and of
 * the client ({@link CLIENT_ERROR_CODES}), each with its meaning there. Other
 * GAuthify servers may answer with codes of their own.
 */
export type GAuthifyErrorCode = ErrorCode | keyof typeof CLIENT_ERROR_CODES;
