import { randomBytes, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Keyring } from './keyring.js';
import type { UserRow } from './schema.js';

/** Length of a TOTP secret and of an HOTP secret [RFC 4226 §4: at least 16, 20 recommended]. */
const SECRET_BYTES = 20;

type Field = 'totp_secret' | 'otp_secret';

/** Seals and opens the secrets of users. */
@Injectable()
export class UserSecrets {
  constructor(private readonly keyring: Keyring) {}

  /** A new TOTP secret and a new one-time pass secret, sealed, with the columns that change with them. */
  create(userId: string) {
    return {
      totp_secret: this.seal(userId, 'totp_secret'),
      last_step: 0,
      otp_secret: this.seal(userId, 'otp_secret'),
      otp_counter: 0,
      failures: 0,
      next_attempt_at: 0,
      wrong_codes_until: 0,
      epoch: randomUUID(),
    };
  }

  /** The secret of a user's authenticator app. */
  totp(user: Pick<UserRow, 'id' | 'totp_secret'>): Buffer {
    return this.keyring.open(user.totp_secret, place(user.id, 'totp_secret'));
  }

  /** The secret of a user's one-time passes. */
  otp(user: Pick<UserRow, 'id' | 'otp_secret'>): Buffer {
    return this.keyring.open(user.otp_secret, place(user.id, 'otp_secret'));
  }

  private seal(userId: string, field: Field): string {
    return this.keyring.seal(randomBytes(SECRET_BYTES), place(userId, field));
  }
}

/** Associated data: a secret copied to another row or field does not open. */
const place = (userId: string, field: Field) => `users\n${userId}\n${field}`;
