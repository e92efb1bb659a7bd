import { Socket } from 'node:net';
import { createTransport } from 'nodemailer';
import {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from '../settings/sender.interface.js';

/** Below the 5 s after which a client abandons an attempt, so that the client still gets the answer. */
const TIMEOUT_MS = 4_000;
/** With a mail server that takes 200 ms per message, 50 messages a second. */
const MAX_CONNECTIONS = 10;

/**
 * Delivers e-mail through a mail server, each message over a connection of its own.
 *
 * A message has `timeoutMs` from `send()` to the mail server's receipt, and waits
 * for a free connection half of that at most: a conversation that starts later
 * would probably be cut off, and it would be unknown whether the message was
 * delivered. At the deadline the socket is destroyed, even if the mail server is
 * still writing: one that sends a byte a second holds at most `maxConnections`
 * sockets, and none after the deadline.
 */
export class SmtpSender implements Sender {
  private open = 0;
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly options: { url: string; from: string },
    private readonly timeoutMs = TIMEOUT_MS,
    private readonly maxConnections = MAX_CONNECTIONS,
  ) {}

  /** @throws DeliveryUnknownError if the conversation began and ended without a receipt */
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
    // After the receipt, QUIT may take until the deadline.
  }

  /** Connects and logs in, and sends nothing. @throws Error if that fails */
  async verify(): Promise<void> {
    await createTransport({
      url: this.options.url,
      connectionTimeout: this.timeoutMs,
      greetingTimeout: this.timeoutMs,
      socketTimeout: this.timeoutMs,
    } as object).verify();
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
    // An object: a string would be parsed as a list of addresses.
    await transport.sendMail({ to: { name: '', address: to }, subject, text });
  }

  /** Rejects after half of the time; nothing has been sent then. */
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

  /** Gives the place of a closed connection to the message that has waited longest. */
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

/** Makes nodemailer use our socket: it destroys its own sockets only if the mail server cooperates. */
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

/** Whether the message was certainly not sent: the mail server refused it, or never got it. */
function isUnsent({ responseCode, timeoutType, code }: SmtpError): boolean {
  return (
    responseCode !== undefined ||
    timeoutType === 'GREETING_TIMEOUT' ||
    /^E(AUTH|DNS|ENVELOPE|TLS)$/.test(code ?? '')
  );
}
