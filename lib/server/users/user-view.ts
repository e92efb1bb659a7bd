import { Inject, Injectable } from '@nestjs/common';
import { oneTimePass, otpauthUri, toBase32 } from '../factors/otp.js';
import { Keyring } from '../store/keyring.js';
import type { UserRow } from '../store/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import { Links } from './links.js';
import { openOtpSecret, openTotpSecret } from '../store/user-secrets.js';

/** Shows users as the contract does. */
@Injectable()
export class UserView {
  constructor(
    @Inject(Keyring) private readonly keyring: Keyring,
    private readonly links: Links,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  /** "The user" of the contract: every field there, `null` where it has no value. */
  show(user: UserRow): Record<string, unknown> {
    const secret = openTotpSecret(this.keyring, user);
    return {
      unique_id: user.unique_id,
      display_name: user.display_name,
      email: user.email,
      sms_number: user.sms_number,
      voice_number: user.voice_number,
      meta: user.meta === null ? null : (JSON.parse(user.meta) as unknown),
      key: toBase32(secret),
      otp: oneTimePass(openOtpSecret(this.keyring, user), user.otp_counter),
      qr_url: this.links.url(user, 'qr', secret),
      ez_url: this.links.url(user, 'ez', secret),
      instructions_url: this.links.url(user, 'instructions', secret),
      display_text: user.display_name,
      created_at: new Date(user.created_at).toISOString(),
      groups: [],
      // Not in the contract, which lets a newer server say more.
      enrolled: user.enrolled === 1,
      otpauth_uri: otpauthUri(secret, this.settings.issuer, user.display_name),
      epoch: user.epoch,
    };
  }
}
