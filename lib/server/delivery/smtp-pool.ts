import type { SmtpServer } from '../settings/smtp-options.js';
import { SmtpConnection, smtpError } from './smtp-connection.js';

/** Connections to a mail server, used again, and no more than `maxConnections` at a time. */
export class SmtpPool {
  private readonly all = new Set<SmtpConnection>();
  /** Connections without a message, each with what ends its rest. */
  private readonly idle = new Map<SmtpConnection, () => void>();
  private readonly waiting = new Set<() => void>();
  private isClosed = false;

  constructor(
    private readonly server: SmtpServer,
    private readonly maxConnections: number,
  ) {}

  /**
   * An idle connection, or a new one that is not open yet.
   *
   * @param untilMs when to give up, by `performance.now()`
   * @throws Error `EMAXCONNECTIONS` if none is free by then
   */
  async take(untilMs: number): Promise<SmtpConnection> {
    for (;;) {
      const [idle] = this.idle.keys();
      if (idle) return this.wakeUp(idle);
      if (this.all.size < this.maxConnections) return this.add();
      await this.change(untilMs);
    }
  }

  /** Keeps a connection for the next message. */
  release(connection: SmtpConnection): void {
    if (this.isClosed) return connection.quit();
    this.idle.set(connection, connection.rest());
    this.notify();
  }

  /** Drops the idle connections: one of them was found dead, so the mail server may have closed them all. */
  dropIdle(): void {
    for (const connection of this.idle.keys()) {
      this.wakeUp(connection);
      connection.destroy();
    }
  }

  /** Closes idle connections now, and the others after their message. */
  close(): void {
    this.isClosed = true;
    for (const connection of this.idle.keys()) connection.quit();
  }

  private add(): SmtpConnection {
    const connection = new SmtpConnection(this.server, (closed) => {
      this.all.delete(closed);
      this.idle.get(closed)?.();
      this.idle.delete(closed);
      this.notify();
    });
    this.all.add(connection);
    return connection;
  }

  private wakeUp(connection: SmtpConnection): SmtpConnection {
    this.idle.get(connection)!();
    this.idle.delete(connection);
    return connection;
  }

  /** Lets the message that has waited longest look again. */
  private notify(): void {
    const [next] = this.waiting;
    next?.();
  }

  /** Resolves once a connection is idle or closed. */
  private change(untilMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.waiting.delete(wake);
          reject(smtpError('EMAXCONNECTIONS'));
        },
        Math.max(0, untilMs - performance.now()),
      );
      const wake = () => {
        this.waiting.delete(wake);
        clearTimeout(timer);
        resolve();
      };
      this.waiting.add(wake);
    });
  }
}
