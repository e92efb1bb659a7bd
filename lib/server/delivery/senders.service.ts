import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { CHANNELS, type Channel } from '../../contract/channel.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { STANDALONE } from '../settings/mount-path.js';
import { Observer } from '../observability/observer.js';
import {
  DeliveryUnknownError,
  type Message,
  RecipientRefusedError,
  SENDERS,
  type Sender,
} from '../settings/sender.interface.js';
import { InFlight } from '../store/in-flight.js';
import { type NamedSender, OUTBOX } from './create-senders.js';

/** For all senders of a message together: below the 5 s after which a client abandons an attempt, so that the client still gets the answer. */
const TIMEOUT_MS = 4_000;
/** A sender that does not heed the signal is left alone after this. */
const GRACE_MS = 500;

/** `errorCode` of a message that may or may not have been delivered. */
export const DELIVERY_UNKNOWN = 'delivery_unknown';

/** Hands messages over to the senders of their channel. */
@Injectable()
export class SendersService
  implements OnApplicationBootstrap, OnApplicationShutdown
{
  private readonly logger = new Logger(SendersService.name);

  constructor(
    @Inject(SENDERS)
    private readonly senders: Readonly<Record<Channel, readonly NamedSender[]>>,
    private readonly observer: Observer,
    private readonly inFlight: InFlight,
    @Inject(STANDALONE) private readonly standalone: boolean,
  ) {}

  onApplicationBootstrap(): void {
    // The program says it itself, with the names of its variables.
    if (this.standalone) return;
    const kept = CHANNELS.filter((channel) =>
      this.senders[channel].some(({ name }) => name === OUTBOX),
    );
    if (kept.length > 0)
      this.logger.warn(
        `Messages by ${kept.join(', ')} are kept in the outbox and not delivered: set the options smtp, twilio, smsHttp and voiceHttp, or senders`,
      );
  }

  /**
   * Hands a message over: to the next sender where the one before certainly did not
   * send.
   *
   * @param requestId for the log
   * @throws ServerError if that failed: {@link DELIVERY_UNKNOWN} if it may have been delivered all the same
   */
  async send(message: Message, requestId: string | null): Promise<void> {
    const { channel } = message;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const endsAt = performance.now() + TIMEOUT_MS + GRACE_MS;
    const senders = [...this.senders[channel]];
    for (;;) {
      const { name, sender } = senders.shift()!;
      try {
        return await this.observer.handOver(message, () =>
          sendInTime(sender, message, signal, endsAt),
        );
      } catch (error) {
        const isUnknown = error instanceof DeliveryUnknownError;
        const isFinal = isUnknown || error instanceof RecipientRefusedError;
        const outcome = isUnknown
          ? 'may or may not have been delivered'
          : 'could not be delivered';
        this.logger.error(
          `request_id ${requestId}: A code by ${channel} ${outcome}: ${name}: ${codesOf(error)}`,
        );
        // After an unknown outcome, another message would be a second code for the same moment.
        if (isFinal || signal.aborted || senders.length === 0)
          throw new ServerError(`The ${channel} ${outcome}`, {
            errorCode: isUnknown ? DELIVERY_UNKNOWN : 'delivery_failed',
            cause: error,
          });
      }
    }
  }

  /** Closes the senders, once the messages of clients that hung up are sent. */
  async onApplicationShutdown(): Promise<void> {
    await this.inFlight.settled();
    const all = Object.values(this.senders).flat();
    for (const sender of new Set(all.map((one) => one.sender)))
      await sender.close?.();
  }
}

async function sendInTime(
  sender: Sender,
  message: Message,
  signal: AbortSignal,
  endsAt: number,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new DeliveryUnknownError('No answer in time')),
      endsAt - performance.now(),
    );
  });
  try {
    await Promise.race([sender.send(message, signal), late]);
  } catch (error) {
    // What `fetch` and the like reject with: the request may have arrived.
    if (signal.aborted && (error as { name?: unknown }).name === 'TimeoutError')
      throw new DeliveryUnknownError('No answer in time', { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What may be logged of an error: its message may hold the address. */
function codesOf(error: unknown): string {
  const isWrapped =
    error instanceof DeliveryUnknownError ||
    error instanceof RecipientRefusedError;
  const cause = isWrapped && error.cause ? error.cause : error;
  const { name, code, responseCode } = (cause ?? {}) as Record<string, unknown>;
  // Its code is a number that says nothing.
  if (name === 'TimeoutError') return 'no answer in time';
  return [code, responseCode].filter(Boolean).join(' ') || 'unknown error';
}
