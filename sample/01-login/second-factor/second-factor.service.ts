import { Injectable } from '@nestjs/common';
import {
  GAuthifyService,
  type GAuthifyUser,
  NotFoundError,
} from 'nestjs-gauthify';
import type { Channel } from 'nestjs-gauthify/server';
import { toString } from 'qrcode';
import { firstValueFrom } from 'rxjs';
import type { Account } from '../accounts/accounts.service.js';

type Person = Omit<Account, 'enrolled'>;

/** The name authenticator apps show beside the account's. */
export const ISSUER = 'GAuthify sample';

/** What a person needs to set up their authenticator app. */
export interface Enrolment {
  /** `data:` URL of an SVG */
  qrCode: string;
  /** base32, in groups of four */
  key: string;
}

/** The calls of GAuthify that the sample makes itself. Codes are checked by `MfaGuard`. */
@Injectable()
export class SecondFactorService {
  constructor(private readonly gauthify: GAuthifyService) {}

  create({ id, name, email, phone }: Person): Promise<GAuthifyUser> {
    return firstValueFrom(
      this.gauthify.createUser({
        uniqueId: id,
        displayName: name,
        email,
        smsNumber: phone,
        voiceNumber: phone,
      }),
    );
  }

  async remove(id: string): Promise<void> {
    await firstValueFrom(this.gauthify.deleteUser(id));
  }

  /**
   * The secret, until a first code was right. GAuthify is asked as well, for the
   * answer to that code may have been lost on its way here.
   */
  async enrolment(account: Account): Promise<Enrolment | undefined> {
    if (account.enrolled) return undefined;
    const { key, enrolled } = await this.findOrCreate(account);
    if (enrolled) return undefined;
    // Drawn here and put into the page: no URL that shows the secret is in any log or history.
    const svg = await toString(otpauthUri(account.name, key), { type: 'svg' });
    return {
      qrCode: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`,
      key: key.replace(/.{4}(?=.)/g, '$& '),
    };
  }

  async send({ id }: Account, channel: Channel): Promise<void> {
    const send = {
      email: () => this.gauthify.sendEmail(id),
      sms: () => this.gauthify.sendSms(id),
      voice: () => this.gauthify.sendVoice(id),
    };
    await firstValueFrom(send[channel]());
  }

  /** Who has not enrolled loses nothing if GAuthify's database was lost. */
  private findOrCreate(account: Account): Promise<GAuthifyUser> {
    return firstValueFrom(this.gauthify.getUser(account.id)).catch(
      (error: unknown) => {
        if (error instanceof NotFoundError) return this.create(account);
        throw error;
      },
    );
  }
}

/** What authenticator apps scan; what is left out is what all of them assume: SHA-1, 6 digits, 30 seconds [Key URI Format]. */
function otpauthUri(name: string, key: string): string {
  const [issuer, account] = [ISSUER, name].map(encodeURIComponent);
  return `otpauth://totp/${issuer}:${account}?secret=${key}&issuer=${issuer}`;
}
