import { setImmediate } from 'node:timers/promises';

/**
 * A list that is too long to be held at once: `EnvelopeInterceptor` writes it
 * page by page.
 */
export class PagedList {
  /**
   * @param pages read one at a time, each when the one before it was taken by the client
   * @param show what an entry looks like in the answer
   */
  private constructor(
    private readonly first: readonly unknown[],
    private readonly rest: AsyncGenerator<readonly unknown[], void>,
    private readonly show: (entry: never) => unknown,
  ) {}

  /** Reads the first page, so that a database that fails is still answered with a status. */
  static async of<T>(
    pages: AsyncGenerator<readonly T[], void>,
    show: (entry: T) => unknown,
  ): Promise<PagedList> {
    const { value } = await pages.next();
    return new PagedList(value ?? [], pages, show);
  }

  /** The JSON of the list in pieces, with a turn of the event loop between two. */
  async *json(): AsyncGenerator<string> {
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
        // SQLite answers without one: others would wait until the end of the list.
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
