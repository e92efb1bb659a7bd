import { Inject, Injectable, Logger } from '@nestjs/common';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { type IssuedCode, SentCodes } from '../factors/sent-codes.js';
import type { UserRow } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
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

/** `errorCode` of a message that may or may not have been delivered. */
export const DELIVERY_UNKNOWN = 'delivery_unknown';

/** Sends codes to users. */
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
   * Sends a new code.
   *
   * @param address the destination; if there is none, the user's own
   * @throws ParameterError if there is no destination
   * @throws RateLimitError if a send limit is reached
   * @throws NotFoundError if the user was deleted or reset, or their address changed, in the meantime
   * @throws ServerError if the message could not be handed over; it then does not count against
   *   the limits, except for the spacing, and the last code stays valid; unless it may have been
   *   delivered ({@link DELIVERY_UNKNOWN})
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
    const allowed = await this.allowance.take(user, channel, to);
    let issued: IssuedCode | undefined;
    try {
      issued = await this.sentCodes.issue(
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
          issued.code,
          this.settings.security.sentCodeTtlSeconds,
        ),
        realm: user.realm,
        uniqueId: user.unique_id,
      });
    } catch (error) {
      const isUnknown = error instanceof DeliveryUnknownError;
      if (!isUnknown) {
        await issued?.withdraw();
        await this.allowance.giveBack(allowed);
      }
      // Thrown before a sender was called.
      if (error instanceof NotFoundError) throw error;
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
}
