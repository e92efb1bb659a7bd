import { Inject, Injectable } from '@nestjs/common';
import { oneTimePass, otpauthUri, toBase32 } from '../factors/otp.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { UserRow } from '../store/schema.js';
import { UserSecrets } from '../store/user-secrets.js';
import { Links } from './links.js';

/** Shows users as the contract describes them. */
@Injectable()
export class UserView {
  constructor(
    private readonly secrets: UserSecrets,
    private readonly links: Links,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  /** "The user" of the contract: every field, `null` if it has no value. */
  show(user: UserRow): Record<string, unknown> {
    const secret = this.secrets.totp(user);
    return {
      unique_id: user.unique_id,
      display_name: user.display_name,
      email: user.email,
      sms_number: user.sms_number,
      voice_number: user.voice_number,
      meta: user.meta === null ? null : (JSON.parse(user.meta) as unknown),
      ...this.enrolment(user, secret),
      otp: oneTimePass(this.secrets.otp(user), user.otp_counter),
      qr_url: this.links.url(user, 'qr', secret),
      ez_url: this.links.url(user, 'ez', secret),
      instructions_url: this.links.url(user, 'instructions', secret),
      display_text: user.display_name,
      created_at: new Date(user.created_at).toISOString(),
      groups: [],
      // The contract allows additional fields: `otpauth_uri` and these two.
      enrolled: user.enrolled === 1,
      epoch: user.epoch,
    };
  }

  /** What an authenticator app needs: the key in base32, and as the URI of a QR code. */
  enrolment(user: UserRow, secret = this.secrets.totp(user)) {
    return {
      key: toBase32(secret),
      otpauth_uri: otpauthUri(secret, this.settings.issuer, user.display_name),
    };
  }
}
