import { randomBytes, randomUUID } from 'node:crypto';
import type { Keyring } from './keyring.js';
import type { UserRow } from './schema.js';

/** Length of a TOTP secret and of an HOTP secret [RFC 4226 §4: at least 16, 20 recommended]. */
const SECRET_BYTES = 20;

type Field = 'totp_secret' | 'otp_secret';

/** A field of a user, as associated data: a row copied elsewhere does not open. */
const place = (userId: string, field: Field) => `users\n${userId}\n${field}`;

/** A new TOTP secret and a new one-time pass secret, sealed, and the columns that change with them. */
export function newSecrets(keyring: Keyring, userId: string) {
  return {
    totp_secret: keyring.seal(
      randomBytes(SECRET_BYTES),
      place(userId, 'totp_secret'),
    ),
    last_step: 0,
    otp_secret: keyring.seal(
      randomBytes(SECRET_BYTES),
      place(userId, 'otp_secret'),
    ),
    otp_counter: 0,
    failures: 0,
    next_attempt_at: 0,
    wrong_codes_until: 0,
    epoch: randomUUID(),
  };
}

export function openTotpSecret(
  keyring: Keyring,
  user: Pick<UserRow, 'id' | 'totp_secret'>,
): Buffer {
  return keyring.open(user.totp_secret, place(user.id, 'totp_secret'));
}

export function openOtpSecret(
  keyring: Keyring,
  user: Pick<UserRow, 'id' | 'otp_secret'>,
): Buffer {
  return keyring.open(user.otp_secret, place(user.id, 'otp_secret'));
}
