/** What each parameter means, by its name on the wire. */
export const PARAMETER_TEXTS: Readonly<Record<string, string>> = {
  unique_id: 'Your id of the user, never shown to them. No control characters.',
  display_name: 'Account name that the user sees in their authenticator app.',
  email:
    'E-mail address. In a send: where to send, this once; without it, the user’s own.',
  sms_number:
    'Number for SMS: E.164, or a US number without country code. In a send: where to send, this once; without it, the user’s own.',
  voice_number:
    'Number for voice calls: E.164, or a US number without country code. In a send: where to call, this once; without it, the user’s own.',
  meta: 'Anything of yours: a JSON object of at most 8 KiB, or the same JSON-encoded in a string.',
  reset_key:
    'true gives the user a new secret: codes of the old one stop working, and wrong codes are forgiven.',
  keep_enrolled: 'With reset_key: the user stays enrolled.',
  unless_enrolled: 'With reset_key: 409 user_enrolled if the user is enrolled.',
  auth_code:
    'What the user typed: a code of any kind. Spaces and dashes do not count. The name otp is accepted, too.',
  token:
    'The token that the ezGAuth page gave to the browser: gat and 32 characters.',
  page: 'From 1; without it, all users.',
  page_size: 'Users of a page; 100 if it is left out.',
  after:
    'The page after this unique_id, in the order of the ids; empty: the first one. page then means nothing.',
  kind: 'Kind of factor: totp, an authenticator app.',
  name: 'What you call the factor.',
  algorithm:
    'Hash algorithm; SHA1 if it is left out. Several apps ignore any other.',
  digits: 'Digits of a code; 6 if it is left out.',
  period: 'How long a code is shown, seconds; 30 if it is left out.',
  factor: 'The id of the factor.',
  id: 'From the link.',
  signature: 'From the link.',
};
