import { createTransport, type Transporter } from 'nodemailer';
import {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from './sender.interface.js';

/** Below the 5 s after which a client gives an attempt up: it then learns what happened. */
const TIMEOUT_MS = 4_000;

/** Delivers e-mail through a mail server. */
export class SmtpSender implements Sender {
  private readonly transport: Transporter;

  constructor(
    { url, from }: { url: string; from: string },
    /** For a message, from connection to receipt. */
    private readonly timeoutMs = TIMEOUT_MS,
  ) {
    this.transport = createTransport(
      {
        url,
        connectionTimeout: timeoutMs,
        greetingTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        disableFileAccess: true,
        disableUrlAccess: true,
      } as object,
      { from },
    );
  }

  async send({ to, subject, text }: Message): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(Object.assign(new Error(), { code: 'ETIMEDOUT' })),
        this.timeoutMs,
      );
    });
    // An object, not a string: a string would be parsed as an address list.
    const mail = { to: { name: '', address: to }, subject, text };
    try {
      await Promise.race([this.transport.sendMail(mail), late]);
    } catch (error) {
      if (isUnsent(error as SmtpError)) throw error;
      throw new DeliveryUnknownError('No receipt', { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

interface SmtpError extends NodeJS.ErrnoException {
  responseCode?: number;
  timeoutType?: string;
}

/** Whether the mail server surely has no message: it said no, or was never asked. */
function isUnsent({
  responseCode,
  syscall,
  timeoutType,
  code,
}: SmtpError): boolean {
  return (
    responseCode !== undefined ||
    syscall === 'connect' ||
    syscall === 'getaddrinfo' ||
    timeoutType === 'CONNECTION_TIMEOUT' ||
    timeoutType === 'GREETING_TIMEOUT' ||
    /^E(AUTH|DNS|ENVELOPE|TLS)$/.test(code ?? '')
  );
}
