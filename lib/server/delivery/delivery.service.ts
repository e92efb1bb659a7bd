import { Inject, Injectable } from '@nestjs/common';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { type IssuedCode, SentCodes } from '../factors/sent-codes.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import type { Unit } from '../store/database.js';
import type { UserRow } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { Channel } from '../../contract/channel.js';
import { domainOf, messageText } from './message-text.js';
import { placeOf } from './number-policy.js';
import { PumpingGuard } from './pumping-guard.js';
import { type Allowed, SendAllowance } from './send-allowance.js';
import type { Message } from '../settings/sender.interface.js';

const ADDRESS_COLUMN = {
  email: 'email',
  sms: 'sms_number',
  voice: 'voice_number',
} as const;

/** A message with a new code, counted and ready to be handed over. */
export interface PreparedMessage {
  user: UserRow;
  message: Message;
  issued: IssuedCode;
  allowed: Allowed;
  /** What the message counts against by its number; null for e-mail. */
  counted: string | null;
}

/** Messages with codes: prepared in one unit of work, and undone in another one if they could not be handed over. */
@Injectable()
export class DeliveryService {
  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly allowance: SendAllowance,
    private readonly pumping: PumpingGuard,
    private readonly sentCodes: SentCodes,
  ) {}

  /**
   * Makes a code and counts the message.
   *
   * @param user locked in the same unit
   * @param address the destination; if there is none, the user's own
   * @throws ParameterError if there is no destination, or no code may go to it
   * @throws RateLimitError if a send limit is reached
   */
  async prepare(
    unit: Unit,
    user: UserRow,
    settings: RealmSettings,
    channel: Channel,
    address: string | null | undefined,
  ): Promise<PreparedMessage> {
    const column = ADDRESS_COLUMN[channel];
    const to = address ?? user[column];
    if (!to)
      throw new ParameterError(
        `${column} is missing, and the user has none on file`,
        { errorCode: 'no_address' },
      );
    const counted = await this.count(unit, user.realm, settings, channel, to);
    const allowed = await this.allowance.take(unit, user, channel, to);
    const issued = await this.sentCodes.issue(unit, user, channel, counted);
    const { security, publicUrl } = this.settings;
    const { code } = issued;
    const message = {
      channel,
      to,
      code,
      ...messageText(channel, settings, {
        code,
        ttlSeconds: security.sentCodeTtlSeconds,
        meta: user.meta,
        domain: domainOf(settings.returnUrl, publicUrl),
      }),
      realm: user.realm,
      uniqueId: user.unique_id,
    };
    return { user, message, issued, allowed, counted };
  }

  /** Counts an SMS or a call where its number is. @returns what {@link PumpingGuard.take} does */
  private async count(
    unit: Unit,
    realm: string,
    { countries }: RealmSettings,
    channel: Channel,
    to: string,
  ): Promise<string | null> {
    if (channel === 'email') return null;
    const place = placeOf(channel, to, countries);
    return await this.pumping.take(unit, realm, channel, place);
  }

  /** Undoes a message that was surely not delivered: it does not count, except for the spacing, and the last code is valid again. */
  async undo(
    unit: Unit,
    { user, message, issued, allowed, counted }: PreparedMessage,
  ): Promise<void> {
    await this.sentCodes.withdraw(unit, user.id, message.channel, issued);
    await this.allowance.giveBack(unit, allowed);
    if (counted !== null) await this.pumping.giveBack(unit, counted);
  }
}
