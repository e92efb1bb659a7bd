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
import { messageText } from './message-text.js';
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
}

/** Sends codes to users: prepared in one unit of work, handed over, and undone in another one if that failed. */
@Injectable()
export class DeliveryService {
  private readonly logger = new Logger(DeliveryService.name);

  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    @Inject(SENDERS) private readonly senders: Record<Channel, Sender>,
    private readonly allowance: SendAllowance,
    private readonly sentCodes: SentCodes,
    private readonly observer: Observer,
  ) {}

  /**
   * Makes a code and counts the message.
   *
   * @param user locked in the same unit
   * @param address the destination; if there is none, the user's own
   * @throws ParameterError if there is no destination
   * @throws RateLimitError if a send limit is reached
   */
  async prepare(
    unit: Unit,
    user: UserRow,
    { issuer }: RealmSettings,
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
    const allowed = await this.allowance.take(unit, user, channel, to);
    const issued = await this.sentCodes.issue(unit, user, channel);
    const { security } = this.settings;
    const message = {
      channel,
      to,
      ...messageText(channel, issuer, issued.code, security.sentCodeTtlSeconds),
      realm: user.realm,
      uniqueId: user.unique_id,
    };
    return { user, message, issued, allowed };
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
    { user, message, issued, allowed }: PreparedMessage,
  ): Promise<void> {
    await this.sentCodes.withdraw(unit, user.id, message.channel, issued);
    await this.allowance.giveBack(unit, allowed);
  }
}
