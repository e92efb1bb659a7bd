import { Inject, Injectable } from '@nestjs/common';
import { oneTimePass, otpauthUri, toBase32 } from '../factors/otp.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import type { User } from '../factors/factors.service.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { FactorSecrets } from '../store/factor-secrets.js';
import type { FactorRow, UserRow } from '../store/schema.js';
import { Links } from './links.js';

/** What the realm is called in an authenticator app. */
type Named = Pick<RealmSettings, 'issuer'>;

/** Shows users as the contract describes them. */
@Injectable()
export class UserView {
  constructor(
    private readonly secrets: FactorSecrets,
    private readonly links: Links,
    @Inject(SERVER_SETTINGS) private readonly server: ServerSettings,
  ) {}

  /** "The user" of the contract: every field, `null` if it has no value. */
  show(user: User, settings: Named): Record<string, unknown> {
    const secret = this.secrets.open(user.totp, user);
    return {
      unique_id: user.unique_id,
      display_name: user.display_name,
      email: user.email,
      sms_number: user.sms_number,
      ...(this.server.legacyRoutes && { phone_number: user.sms_number }),
      voice_number: user.voice_number,
      meta: metaOf(user),
      ...this.enrolment(user, user.totp, settings, secret),
      otp: oneTimePass(this.secrets.open(user.otp, user), user.otp.counter),
      qr_url: this.links.url(user, 'qr', secret),
      ez_url: this.links.url(user, 'ez', secret),
      instructions_url: this.links.url(user, 'instructions', secret),
      display_text: user.display_name,
      created_at: new Date(user.created_at).toISOString(),
      groups: [],
      // The contract allows additional fields: `otpauth_uri` and these.
      enrolled: user.enrolled === 1,
      epoch: user.epoch,
      recovery_codes_left: user.recovery_codes_left,
    };
  }

  /** What an authenticator app needs: the key in base32, and as the URI of a QR code. */
  enrolment(
    user: UserRow,
    totp: FactorRow,
    { issuer }: Named,
    secret = this.secrets.open(totp, user),
  ) {
    return {
      key: toBase32(secret),
      otpauth_uri: otpauthUri(secret, issuer, user.display_name, totp),
    };
  }

  /** A factor, without its secret. */
  showFactor(factor: FactorRow): Record<string, unknown> {
    const { id, kind, name, state, created_at, last_used_at, expires_at } =
      factor;
    return {
      id,
      kind,
      name,
      state,
      created_at: new Date(created_at).toISOString(),
      last_used_at: isoOrNull(last_used_at),
      expires_at: isoOrNull(expires_at),
    };
  }
}

function isoOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}

/** An error of `JSON.parse` would hold the beginning of the text, which may be an address. */
function metaOf({ meta }: UserRow): unknown {
  if (meta === null) return null;
  try {
    return JSON.parse(meta) as unknown;
  } catch {
    throw new Error('The meta of a user is not JSON');
  }
}
