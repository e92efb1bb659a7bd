import { WireName } from './wire-name.decorator.js';

/** What a user proves themselves with, apart from sent codes and recovery codes. Holds no secret. */
export class GAuthifyFactor {
  /** Id of the factor. */
  @WireName('id')
  id!: string;

  /** `totp` (authenticator app) or `otp` (one-time passes); a newer server may have others. */
  @WireName('kind')
  kind!: string;

  /** What you called it. */
  @WireName('name')
  name!: string | null;

  /** `pending` until its first right code. */
  @WireName('state')
  state!: 'pending' | 'active';

  /** ISO 8601, UTC. */
  @WireName('created_at')
  createdAt!: string;

  /** When its last right code was accepted: ISO 8601, UTC. */
  @WireName('last_used_at')
  lastUsedAt!: string | null;

  /** When an additional app ends that is still `pending`: ISO 8601, UTC; `null`: never. */
  @WireName('expires_at')
  expiresAt!: string | null;
}

/**
 * A factor that was just created, with its secret, which no other call answers:
 * show it to the user, and do not keep it.
 */
export class NewGAuthifyFactor extends GAuthifyFactor {
  /** TOTP secret, base32 without padding. */
  @WireName('key')
  key!: string;

  /** The `otpauth://` URI that an authenticator app scans. */
  @WireName('otpauth_uri')
  otpauthUri!: string;

  /** The QR code of `otpauthUri`: an SVG image. */
  @WireName('qr')
  qr!: string;
}
