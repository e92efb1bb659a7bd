/** How often a line of progress is written where no terminal can redraw it, milliseconds. */
const LINE_EVERY_MS = 5_000;
const REDRAW_EVERY_MS = 100;

/** How far something is: one line that is redrawn on a terminal, and a line now and then elsewhere. */
export class ProgressLine {
  private lastAt: number;
  private isDrawn = false;

  constructor(
    private readonly stream: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>,
    private readonly now: () => number = () => performance.now(),
  ) {
    // What is over at once needs no line.
    this.lastAt = now();
  }

  show(line: string): void {
    const { stream } = this;
    const every = stream.isTTY ? REDRAW_EVERY_MS : LINE_EVERY_MS;
    if (this.now() - this.lastAt < every) return;
    this.lastAt = this.now();
    // To the start of the line, and nothing behind it.
    stream.write(stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
    this.isDrawn = stream.isTTY;
  }

  /** Leaves the line, before anything else is written. */
  end(): void {
    if (this.isDrawn) this.stream.write('\n');
    this.isDrawn = false;
  }
}
