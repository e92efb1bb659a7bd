import { Exclude } from 'class-transformer';
import type { AuthMethod } from './check-result.dto.js';
import { WireName } from './wire-name.decorator.js';

/**
 * A user as GAuthify has them. Holds the secret (`key`) and a usable code
 * (`otp`): do not hand it to a browser as it is.
 */
export class GAuthifyUser {
  /** Your id of the user. */
  @WireName('unique_id')
  uniqueId!: string;

  /** Account name, as the user entered or you gave it. */
  @WireName('display_name')
  displayName!: string;

  /** Where codes by e-mail go. */
  @WireName('email')
  email!: string | null;

  /** Where codes by SMS go, E.164. */
  @WireName('sms_number')
  smsNumber!: string | null;

  /** Where codes by voice call go, E.164. */
  @WireName('voice_number')
  voiceNumber!: string | null;

  /** What you stored with the user. */
  @WireName('meta')
  meta!: Record<string, unknown> | null;

  /** TOTP secret, base32 without padding. */
  @WireName('key')
  key!: string;

  /** One-time pass: `checkAuth` accepts it once, then another stands in its place. */
  @WireName('otp')
  otp!: string;

  /** URL of a PNG of the otpauth:// QR code. Whoever has it can enrol. */
  @WireName('qr_url')
  qrUrl!: string;

  /** URL of the user's ezGAuth page. */
  @WireName('ez_url')
  ezUrl!: string;

  /** URL of a page that tells the user how to set up their authenticator. */
  @WireName('instructions_url')
  instructionsUrl!: string;

  /** Account name as the authenticator app shows it. */
  @WireName('display_text')
  displayText!: string;

  /** ISO 8601, UTC. */
  @WireName('created_at')
  createdAt!: string;

  /** Reserved by GAuthify; empty. */
  @WireName('groups')
  groups!: unknown[];

  /**
   * Whether a code of the authenticator app was ever right since the secret was
   * made, or reset with `keepEnrolled`; `undefined` from a server that does not
   * say (the hosted service).
   */
  @WireName('enrolled')
  enrolled?: boolean;

  /** The `otpauth://` URI of `key`, for a QR code of your own; `undefined` from the hosted service. */
  @WireName('otpauth_uri')
  otpauthUri?: string;

  /**
   * Changes with every reset of the key, deletion of the user or of an active
   * factor, and change of an address or number: what was handed out for another
   * epoch no longer counts. Opaque; `undefined` from the hosted service.
   */
  @WireName('epoch')
  epoch?: string;

  /** Recovery codes that were not used yet; `undefined` from the hosted service. */
  @WireName('recovery_codes_left')
  recoveryCodesLeft?: number;

  /**
   * Kind of the code that earned the token, in the answer to `getUserByToken`;
   * `null` if the server does not know it, `undefined` in every other answer and
   * from the hosted service.
   */
  @WireName('method')
  method?: AuthMethod | null;

  /** The user exactly as received, with fields this version does not know. */
  @Exclude({ toPlainOnly: true })
  raw!: Record<string, unknown>;
}
