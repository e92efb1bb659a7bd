import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import SMTPConnection from 'nodemailer/lib/smtp-connection/index.js';
import type { SmtpServer } from '../settings/smtp-options.js';

/** How long a connection is kept without a message. Mail servers wait for five minutes [RFC 5321 §4.5.3.2.7]. */
const IDLE_MS = 60_000;
/** How long QUIT may take. */
const QUIT_MS = 1000;

/** An error of nodemailer. */
export interface SmtpError extends NodeJS.ErrnoException {
  /** Status of the mail server's answer. */
  responseCode?: number;
}

export interface Envelope {
  from: string;
  to: string;
}

/**
 * A connection to a mail server, for one message after the other.
 *
 * The socket is ours: nodemailer destroys its own sockets only if the mail server
 * cooperates.
 */
export class SmtpConnection {
  /** Whether the mail server was given some of the current message: from then on, it may have all of it. */
  hasBegun = false;
  /** Whether it has logged in, and has not failed since. */
  isOpen = false;
  private readonly socket = new Socket();
  private protocol: SMTPConnection | undefined;
  private fail: (error: Error) => void = () => undefined;

  constructor(
    private readonly server: SmtpServer,
    /** Called once, when the connection is closed for any reason. */
    onClose: (connection: SmtpConnection) => void,
  ) {
    this.socket.once('close', () => {
      this.fail(smtpError('ECONNECTION'));
      onClose(this);
    });
    this.socket.on('error', (error) => this.fail(error));
  }

  /** Connects, changes to TLS, and logs in. */
  async open(): Promise<void> {
    const { host, port, secure, requireTLS, auth } = this.server;
    await this.step((resolve) => {
      this.socket.connect(port, host, resolve);
    });
    const protocol = new SMTPConnection({
      host,
      port,
      secure,
      requireTLS,
      ignoreTLS: !requireTLS,
      connection: this.socket,
      socketTimeout: IDLE_MS * 2,
    });
    this.protocol = protocol;
    protocol.on('error', (error: Error) => this.fail(error));
    protocol.once('end', () => this.destroy());
    await this.step((resolve) => protocol.connect(resolve));
    if (auth) await this.step((resolve) => protocol.login(auth, resolve));
    this.isOpen = true;
  }

  /** Resolves with the mail server's receipt. */
  async deliver({ from, to }: Envelope, source: Uint8Array): Promise<void> {
    this.hasBegun = false;
    // Read once the mail server has accepted sender and recipient.
    const message = new Readable({
      read: () => {
        this.hasBegun = true;
        message.push(source);
        message.push(null);
      },
    });
    await this.step((resolve) =>
      this.protocol!.send({ from, to: [to] }, message, resolve),
    );
  }

  /** Quits after a while without a message, and does not keep the process running. @returns what ends the rest */
  rest(): () => void {
    this.socket.unref();
    const timer = setTimeout(() => this.quit(), IDLE_MS).unref();
    return () => {
      clearTimeout(timer);
      this.socket.ref();
    };
  }

  /** Ends the conversation; the connection is closed soon after. */
  quit(): void {
    this.protocol?.quit();
    setTimeout(() => this.destroy(), QUIT_MS).unref();
  }

  destroy(): void {
    this.protocol?.close();
    this.socket.destroy();
  }

  /** A step of the conversation, which fails at the latest when the connection is closed. */
  private step(
    begin: (done: (error?: Error | null) => void) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) return reject(smtpError('ECONNECTION'));
      this.fail = reject;
      begin((error) => (error ? reject(error) : resolve()));
    });
  }
}

/** Why a message was not sent, by the codes of Nodemailer. */
const REASONS = {
  ECONNECTION: 'The connection ended',
  EENVELOPE: 'The message must have one recipient',
  EMAXCONNECTIONS: 'No connection was free in time',
  ETIMEDOUT: 'Not sent in time',
};

export const smtpError = (code: keyof typeof REASONS): SmtpError =>
  Object.assign(new Error(REASONS[code]), { code });
