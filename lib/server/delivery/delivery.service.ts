import { Inject, Injectable, Logger } from '@nestjs/common';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { type IssuedCode, SentCodes } from '../factors/sent-codes.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import type { Unit } from '../store/database.js';
import type { UserRow } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { Observer } from '../observability/observer.js';
import type { Channel } from '../../contract/channel.js';
import { domainOf, messageText } from './message-text.js';
import { placeOf } from './number-policy.js';
import { PumpingGuard } from './pumping-guard.js';
import { type Allowed, SendAllowance } from './send-allowance.js';
import {
  DeliveryUnknownError,
  SENDERS,
  type Message,
  type Sender,
} from '../settings/sender.interface.js';

const ADDRESS_COLUMN = {
  email: 'email',
  sms: 'sms_number',
  voice: 'voice_number',
} as const;

/** `errorCode` of a message that may or may not have been delivered. */
export const DELIVERY_UNKNOWN = 'delivery_unknown';

/** A message with a new code, counted and ready to be handed over. */
export interface PreparedMessage {
  user: UserRow;
  message: Message;
  issued: IssuedCode;
  allowed: Allowed;
  /** What the message counts against by its number; null for e-mail. */
  counted: string | null;
}

/** Sends codes to users: prepared in one unit of work, handed over, and undone in another one if that failed. */
@Injectable()
export class DeliveryService {
  private readonly logger = new Logger(DeliveryService.name);

  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    @Inject(SENDERS) private readonly senders: Record<Channel, Sender>,
    private readonly allowance: SendAllowance,
    private readonly pumping: PumpingGuard,
    private readonly sentCodes: SentCodes,
    private readonly observer: Observer,
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

  /**
   * Hands a message over.
   *
   * @throws ServerError if that failed: {@link DELIVERY_UNKNOWN} if it may have been delivered all the same
   */
  async handOver({ message }: PreparedMessage): Promise<void> {
    const { channel } = message;
    try {
      await this.observer.handOver(message, () =>
        this.senders[channel].send(message),
      );
    } catch (error) {
      const isUnknown = error instanceof DeliveryUnknownError;
      // Only codes are logged: the error's message may hold the address.
      const { code, responseCode } = ((isUnknown ? error.cause : error) ??
        {}) as Record<string, unknown>;
      const outcome = isUnknown
        ? 'may or may not have been delivered'
        : 'could not be delivered';
      this.logger.error(
        `A code by ${channel} ${outcome}: ${[code, responseCode].filter(Boolean).join(' ') || 'unknown error'}`,
      );
      throw new ServerError(`The ${channel} ${outcome}`, {
        errorCode: isUnknown ? DELIVERY_UNKNOWN : 'delivery_failed',
        cause: error,
      });
    }
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
