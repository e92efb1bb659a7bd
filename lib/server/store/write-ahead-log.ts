import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { ServerError } from '../../contract/errors/server.error.js';
import type { PreparingConnection } from './sqlite-connection.js';
import { absolute } from './sqlite-file.js';

const sync = promisify(fdatasync);

/** The file to which SQLite appends its commits. */
export class WriteAheadLog {
  private constructor(private readonly descriptor: number) {}

  /** Takes over its synchronization from SQLite, if there is a log. */
  static open(
    file: string,
    writer: PreparingConnection,
  ): WriteAheadLog | undefined {
    const [mode] = writer.prepare('pragma journal_mode').all([]) as {
      journal_mode: string;
    }[];
    if (mode?.journal_mode !== 'wal') return undefined;
    const log = new WriteAheadLog(openSync(`${absolute(file)}-wal`, 'r+'));
    writer.exec('pragma synchronous = NORMAL');
    return log;
  }

  /** Makes the last commit durable, in a thread of Node's pool. @throws ServerError */
  async synchronize(): Promise<void> {
    try {
      await sync(this.descriptor);
    } catch (error) {
      // The commit stands, but may be lost in a power cut. It must not be tried
      // again: its codes are used.
      throw new ServerError('The database could not be written to the disk', {
        errorCode: '500',
        cause: error,
      });
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
