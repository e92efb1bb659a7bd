import { randomBytes } from 'node:crypto';

const TICK_MS = 20;

/**
 * Measures how long this process kept its own work waiting: in the event loop,
 * and in Node's thread pool, where names are resolved and passwords hashed.
 */
export class OwnDelay {
  private readonly startedAt = performance.now();
  private lastTickAt = this.startedAt;
  private blockedMs = 0;
  private poolMs: number | undefined;
  private readonly timer = setInterval(() => this.tick(), TICK_MS);

  constructor() {
    randomBytes(1, () => {
      this.poolMs = performance.now() - this.startedAt;
    });
  }

  /** The longer of both delays since the start, milliseconds. */
  get ms(): number {
    this.tick();
    return Math.max(
      this.blockedMs,
      this.poolMs ?? performance.now() - this.startedAt,
    );
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = performance.now();
    this.blockedMs += Math.max(0, now - this.lastTickAt - TICK_MS);
    this.lastTickAt = now;
  }
}
