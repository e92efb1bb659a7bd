import { Inject, Injectable, Logger } from '@nestjs/common';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { SentCodes } from '../factors/sent-codes.js';
import type { UserRow } from '../store/schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import type { Channel } from '../../contract/channel.js';
import { messageText } from './message-text.js';
import { SendAllowance } from './send-allowance.js';
import {
  DeliveryUnknownError,
  SENDERS,
  type Sender,
} from '../settings/sender.interface.js';

const ADDRESS_COLUMN = {
  email: 'email',
  sms: 'sms_number',
  voice: 'voice_number',
} as const;

/** Code of the error of a message that may have been delivered, or not. */
export const DELIVERY_UNKNOWN = 'delivery_unknown';

/** Sends a user a code. */
@Injectable()
export class DeliveryService {
  private readonly logger = new Logger(DeliveryService.name);

  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    @Inject(SENDERS) private readonly senders: Record<Channel, Sender>,
    private readonly allowance: SendAllowance,
    private readonly sentCodes: SentCodes,
  ) {}

  /**
   * @param address where to send; the user's own where there is none
   * @throws ParameterError where there is no address
   * @throws RateLimitError where too much was sent
   * @throws NotFoundError where the user was deleted, or changed in what counts, meanwhile
   * @throws ServerError where the message could not be handed over; the allowance is given back, unless
   *   nobody knows whether it was ({@link DELIVERY_UNKNOWN})
   */
  async send(
    user: UserRow,
    channel: Channel,
    address: string | null | undefined,
  ): Promise<void> {
    const column = ADDRESS_COLUMN[channel];
    const to = address ?? user[column];
    if (!to)
      throw new ParameterError(
        `${column} is missing, and the user has none on file`,
        { errorCode: 'no_address' },
      );
    const allowed = await this.allowance.take(user.id, channel, to);
    try {
      const code = await this.sentCodes.issue(
        user,
        channel,
        address ? undefined : column,
      );
      await this.senders[channel].send({
        channel,
        to,
        ...messageText(
          channel,
          this.settings.issuer,
          code,
          this.settings.security.sentCodeTtlSeconds,
        ),
        realm: user.realm,
        uniqueId: user.unique_id,
      });
    } catch (error) {
      const isUnknown = error instanceof DeliveryUnknownError;
      if (!isUnknown) await this.allowance.giveBack(allowed);
      // Nothing was handed to a sender.
      if (error instanceof NotFoundError) throw error;
      // The message of the error may hold the address, or what the server said of it.
      const { code, responseCode } = ((isUnknown ? error.cause : error) ??
        {}) as Record<string, unknown>;
      const outcome = isUnknown
        ? 'may have been delivered, or not'
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
}
