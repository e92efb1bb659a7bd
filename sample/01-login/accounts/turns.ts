/** Too many wait already. */
export class BusyError extends Error {}

/** Lets so many things happen at once; the others wait for their turn. */
export class Turns {
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];

  /**
   * @param atOnce things under way
   * @param maxWaiting things waiting; one more is a {@link BusyError}
   */
  constructor(
    private readonly atOnce: number,
    private readonly maxWaiting: number,
  ) {}

  /** @throws BusyError */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.underWay < this.atOnce) this.underWay += 1;
    else if (this.waiting.length >= this.maxWaiting) throw new BusyError();
    // Whoever ends hands their turn over, so the count stays.
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.underWay -= 1;
    }
  }
}
