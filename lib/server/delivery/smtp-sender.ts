import { Socket } from 'node:net';
import { createTransport } from 'nodemailer';
import {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from '../settings/sender.interface.js';

/** Below the 5 s after which a client gives an attempt up: it then learns what happened. */
const TIMEOUT_MS = 4_000;
/** A mail server that takes 200 ms a message gets 50 of them a second. */
const MAX_CONNECTIONS = 10;

/**
 * Delivers e-mail through a mail server, each message over a connection of its own.
 *
 * A message has `timeoutMs` from `send()` to receipt. It may spend half of that
 * waiting for a connection: a conversation that begins later would likely be cut
 * off, and nobody would know whether it was delivered. At the deadline its socket is destroyed, whatever the mail server is still
 * saying: one that answers a byte a second holds at most `maxConnections`
 * sockets, and none past the deadline.
 */
export class SmtpSender implements Sender {
  private open = 0;
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly options: { url: string; from: string },
    private readonly timeoutMs = TIMEOUT_MS,
    private readonly maxConnections = MAX_CONNECTIONS,
  ) {}

  /** @throws DeliveryUnknownError where the conversation began, and ended without a receipt */
  async send(message: Message): Promise<void> {
    const deadline = AbortSignal.timeout(this.timeoutMs);
    await this.waitForPlace();
    const socket = new Socket();
    socket.once('close', () => this.freePlace());
    const late = new Promise<never>((_, reject) => {
      deadline.addEventListener('abort', () => {
        reject(smtpError('ETIMEDOUT'));
        socket.destroy();
      });
    });
    let isConnected = false;
    socket.once('connect', () => (isConnected = true));
    try {
      await Promise.race([this.converse(message, socket), late]);
    } catch (error) {
      socket.destroy();
      if (!isConnected || isUnsent(error as SmtpError)) throw error;
      throw new DeliveryUnknownError('No receipt', { cause: error });
    }
    // After a receipt the two say goodbye, until the deadline at the latest.
  }

  private async converse(
    { to, subject, text }: Message,
    socket: Socket,
  ): Promise<void> {
    const { url, from } = this.options;
    const transport = createTransport(
      {
        url,
        greetingTimeout: this.timeoutMs,
        socketTimeout: this.timeoutMs,
        disableFileAccess: true,
        disableUrlAccess: true,
        getSocket: connectorOf(socket),
      } as object,
      { from },
    );
    // An object, not a string: a string would be parsed as an address list.
    await transport.sendMail({ to: { name: '', address: to }, subject, text });
  }

  /** Rejects once half of the time is over; nothing was sent then. */
  private async waitForPlace(): Promise<void> {
    if (this.open < this.maxConnections) {
      this.open += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(start);
        reject(smtpError('EMAXCONNECTIONS'));
      }, this.timeoutMs / 2);
      const start = () => {
        clearTimeout(timer);
        resolve();
      };
      this.waiting.add(start);
    });
  }

  /** The place of a closed connection goes to whoever waited longest. */
  private freePlace(): void {
    const [next] = this.waiting;
    if (next) {
      this.waiting.delete(next);
      next();
    } else this.open -= 1;
  }
}

interface SmtpError extends NodeJS.ErrnoException {
  responseCode?: number;
  timeoutType?: string;
}

const smtpError = (code: string): SmtpError =>
  Object.assign(new Error('Not sent in time'), { code });

/** Nodemailer's hook for a socket of ours: it closes its own only when the mail server lets it. */
function connectorOf(socket: Socket) {
  return (
    { host, port, secure }: { host: string; port?: number; secure?: boolean },
    callback: (error: Error | null, options?: { connection: Socket }) => void,
  ): void => {
    socket.once('error', callback);
    socket.connect(port || (secure ? 465 : 587), host, () =>
      callback(null, { connection: socket }),
    );
  };
}

/** Whether the mail server surely has no message: it said no, or was never asked. */
function isUnsent({ responseCode, timeoutType, code }: SmtpError): boolean {
  return (
    responseCode !== undefined ||
    timeoutType === 'GREETING_TIMEOUT' ||
    /^E(AUTH|DNS|ENVELOPE|TLS)$/.test(code ?? '')
  );
}
