import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { StreamableFile } from '@nestjs/common';

/** A list that is too long to hold in memory: it is read, and written to the client, page by page. */
export class PagedList {
  private constructor(
    private readonly first: readonly unknown[],
    private readonly rest: AsyncGenerator<readonly unknown[], void>,
    private readonly show: (entry: never) => unknown,
  ) {}

  /**
   * Reads the first page, so that a failing database is still answered with a status.
   *
   * @param pages read one at a time, each once the client has taken the one before it
   * @param show makes of an entry what the answer shows
   */
  static async of<T>(
    pages: AsyncGenerator<readonly T[], void>,
    show: (entry: T) => unknown,
  ): Promise<PagedList> {
    const { value } = await pages.next();
    return new PagedList(value ?? [], pages, show);
  }

  /**
   * The list as the `data` of an envelope.
   *
   * @param rest the other fields of the envelope
   * @param onError called with what breaks the list off
   */
  stream(
    response: ServerResponse,
    rest: object,
    onError: (error: unknown) => void,
  ): StreamableFile {
    // Counts bytes, not chunks: a slow client must not fill the memory.
    const stream = Readable.from(this.envelope(response, rest, onError), {
      objectMode: false,
    });
    response.once('close', () => stream.destroy());
    return new StreamableFile(stream, {
      type: 'application/json; charset=utf-8',
    }).setErrorHandler(() => {
      // A proper end would make the incomplete list look complete.
      response.destroy();
    });
  }

  private async *envelope(
    { req }: ServerResponse,
    rest: object,
    onError: (error: unknown) => void,
  ): AsyncGenerator<string> {
    try {
      yield '{"data":';
      // HEAD needs the headers alone: nothing is read for it.
      if (req.method !== 'HEAD') yield* this.json();
      yield `,${JSON.stringify(rest).slice(1)}`;
    } catch (error) {
      onError(error);
      throw error;
    }
  }

  private async *json(): AsyncGenerator<string> {
    yield '[';
    let separator = '';
    try {
      for (let page = this.first; ;) {
        let text = '';
        for (const entry of page) {
          text += separator + JSON.stringify(this.show(entry as never));
          separator = ',';
        }
        if (text) yield text;
        // SQLite reads synchronously: let other requests run between two pages.
        await setImmediate();
        const { value } = await this.rest.next();
        if (!value) break;
        page = value;
      }
      yield ']';
    } finally {
      await this.rest.return();
    }
  }
}
