import { createTransport, type Transporter } from 'nodemailer';
import {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from '../settings/sender.interface.js';
import { parseSmtpUrl, type SmtpOptions } from '../settings/smtp-options.js';
import {
  type Envelope,
  type SmtpConnection,
  type SmtpError,
  smtpError,
} from './smtp-connection.js';
import { SmtpPool } from './smtp-pool.js';

/** Half of the time that a message has. */
const MAX_WAIT_MS = 2_000;
/** With a mail server that takes 200 ms per message, 50 messages a second. */
const MAX_CONNECTIONS = 10;
/** For `verify()`. */
const LOGIN_TIMEOUT_MS = 10_000;

/**
 * Delivers e-mail through a mail server, over connections that are used again.
 *
 * A message waits for a free connection for a part of its time: a conversation that
 * starts later would probably be cut off, and it would be unknown whether the
 * message was delivered. When its signal aborts, the socket is destroyed, even if the
 * mail server is still writing: one that sends a byte a second holds at most
 * `maxConnections` sockets, and none for long.
 */
export class SmtpSender implements Sender {
  private readonly composer: Transporter;
  private readonly pool: SmtpPool;

  constructor(
    { url, from, dkim }: SmtpOptions,
    private readonly maxWaitMs = MAX_WAIT_MS,
    maxConnections = MAX_CONNECTIONS,
  ) {
    this.pool = new SmtpPool(parseSmtpUrl(url), maxConnections);
    this.composer = createTransport(
      {
        streamTransport: true,
        buffer: true,
        newline: 'windows',
        disableFileAccess: true,
        disableUrlAccess: true,
        ...(dkim && {
          dkim: {
            domainName: dkim.domain,
            keySelector: dkim.selector,
            privateKey: dkim.privateKey,
          },
        }),
      } as object,
      { from },
    );
  }

  /** @throws DeliveryUnknownError if the mail server was given the message, and gave no receipt */
  async send(message: Message, signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + this.maxWaitMs;
    const { envelope, source } = await this.compose(message);
    const deliverBy = (connection: SmtpConnection) =>
      this.within(signal, connection, () =>
        connection.deliver(envelope, source),
      );
    const first = await this.pool.take(untilMs);
    if (!first.isOpen) return await deliverBy(first);
    try {
      await deliverBy(first);
    } catch (error) {
      // A mail server may close a connection at any time. Nothing was sent: a new one is tried.
      const isStale = !first.hasBegun && !signal.aborted && isLost(error);
      if (!isStale) throw error;
      this.pool.dropIdle();
      await deliverBy(await this.pool.take(untilMs));
    }
  }

  /** Connects, logs in and quits. @throws Error if that fails */
  async verify(): Promise<void> {
    const signal = AbortSignal.timeout(LOGIN_TIMEOUT_MS);
    const connection = await this.pool.take(performance.now());
    await this.within(signal, connection, () => Promise.resolve());
    this.close();
  }

  /** Closes idle connections now, and the others after their message. */
  close(): void {
    this.pool.close();
  }

  private async compose({
    to,
    subject,
    text,
  }: Message): Promise<{ envelope: Envelope; source: Uint8Array }> {
    const { envelope, message } = (await this.composer.sendMail({
      // An object: a string would be parsed as a list of addresses.
      to: { name: '', address: to },
      subject,
      text,
      // Keeps automatic replies away [RFC 3834].
      headers: { 'auto-submitted': 'auto-generated' },
    })) as { envelope: { from: string; to: string[] }; message: Uint8Array };
    const [address, ...others] = envelope.to;
    if (address === undefined || others.length > 0)
      throw smtpError('EENVELOPE');
    return { envelope: { from: envelope.from, to: address }, source: message };
  }

  /** Opens the connection where it is new, does the work, and keeps it; closes it if anything fails, and when the signal aborts. */
  private async within(
    signal: AbortSignal,
    connection: SmtpConnection,
    work: () => Promise<void>,
  ): Promise<void> {
    const end = () => connection.destroy();
    signal.addEventListener('abort', end);
    try {
      if (signal.aborted) throw smtpError('ETIMEDOUT');
      if (!connection.isOpen) await connection.open();
      await work();
    } catch (cause) {
      connection.destroy();
      const error = signal.aborted
        ? smtpError('ETIMEDOUT')
        : (cause as SmtpError);
      throw connection.hasBegun && error.responseCode === undefined
        ? new DeliveryUnknownError('No receipt', { cause: error })
        : error;
    } finally {
      signal.removeEventListener('abort', end);
    }
    this.pool.release(connection);
  }
}

/** Whether the connection ended, rather than the mail server refusing the message. */
function isLost(error: unknown): boolean {
  const { responseCode } = error as SmtpError;
  return responseCode === undefined || responseCode === 421;
}
