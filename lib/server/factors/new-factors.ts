import { randomBytes, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { FactorSecrets, type SealedPlace } from '../store/factor-secrets.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import { PASS_PARAMETERS, TOTP_DEFAULTS } from './otp.js';

/** Length of a TOTP secret and of an HOTP secret [RFC 4226 §4: at least 16, 20 recommended]. */
const SECRET_BYTES = 20;

/** Makes factors with new secrets, sealed for their users. Stores nothing. */
@Injectable()
export class NewFactors {
  constructor(private readonly secrets: FactorSecrets) {}

  /** The authenticator app and the one-time passes that every user has. */
  first(user: UserRow): [totp: FactorRow, otp: FactorRow] {
    const totp = this.totp(user, user.created_at);
    const otp: FactorRow = {
      ...totp,
      ...this.secret(user, {
        id: randomUUID(),
        kind: 'otp',
        ...PASS_PARAMETERS,
      }),
      state: 'active',
    };
    return [totp, otp];
  }

  /** A pending authenticator app. */
  totp(
    user: UserRow,
    created_at: number,
    parameters = TOTP_DEFAULTS,
  ): FactorRow {
    return {
      ...this.secret(user, { id: randomUUID(), kind: 'totp', ...parameters }),
      user_id: user.id,
      name: null,
      state: 'pending',
      counter: 0,
      created_at,
      last_used_at: null,
      expires_at: null,
    };
  }

  /** A new secret, which is sealed together with what it is for. */
  secret<Place extends SealedPlace>(user: UserRow, place: Place) {
    const secret = this.secrets.seal(randomBytes(SECRET_BYTES), user, place);
    return { ...place, secret };
  }
}
