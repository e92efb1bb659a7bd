import { createTransport, type Transporter } from 'nodemailer';
import type { Message, Sender } from './sender.interface.js';

/** Below the 5 s after which a client gives an attempt up: it then learns what happened. */
const TIMEOUT_MS = 4_000;

/** Delivers e-mail through a mail server. */
export class SmtpSender implements Sender {
  private readonly transport: Transporter;

  constructor({ url, from }: { url: string; from: string }) {
    this.transport = createTransport(
      {
        url,
        connectionTimeout: TIMEOUT_MS,
        greetingTimeout: TIMEOUT_MS,
        socketTimeout: TIMEOUT_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      } as object,
      { from },
    );
  }

  async send({ to, subject, text }: Message): Promise<void> {
    // An object, not a string: a string would be parsed as an address list.
    await this.transport.sendMail({
      to: { name: '', address: to },
      subject,
      text,
    });
  }
}
