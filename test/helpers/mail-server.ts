import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/** A mail as it arrived. */
export interface ReceivedMail {
  from: string;
  to: string[];
  /** Headers and body. */
  source: string;
}

/** A real SMTP server on a free port. */
export class MailServer {
  readonly mails: ReceivedMail[] = [];
  /** Connections that were opened so far. */
  opened = 0;

  private constructor(
    private readonly server: SMTPServer,
    readonly url: string,
  ) {}

  /**
   * @param refuse what to answer a recipient with, `undefined`: take the mail
   * @param receipt what to do once a mail is there, instead of saying so
   * @param options of `smtp-server`; no TLS by default
   */
  static async start(
    refuse?: () => string | undefined,
    receipt?: (server: SMTPServer, done: () => void) => void,
    options: SMTPServerOptions = { disabledCommands: ['STARTTLS'] },
  ): Promise<MailServer> {
    let mailServer: MailServer | undefined = undefined;
    const server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      onAuth: ({ username }, _session, done) => done(null, { user: username }),
      onConnect: (_session, done) => {
        mailServer!.opened += 1;
        done();
      },
      onRcptTo: (_address, _session, done) => {
        const refusal = refuse?.();
        done(refusal ? new Error(refusal) : undefined);
      },
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          mailServer!.mails.push({
            from: mailFrom ? mailFrom.address : '',
            to: rcptTo.map(({ address }) => address),
            source: Buffer.concat(chunks).toString(),
          });
          if (receipt) receipt(server, done);
          else done();
        });
      },
      ...options,
    });
    server.on('error', () => undefined);
    const listener = server.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const protocol = options.secure ? 'smtps' : 'smtp';
    mailServer = new MailServer(server, `${protocol}://127.0.0.1:${port}`);
    return mailServer;
  }

  /** Ends every connection, as a mail server does that restarts. */
  drop(): void {
    for (const connection of this.server.connections) connection.close();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise<void>((resolve) => this.server.close(resolve));
  }
}
