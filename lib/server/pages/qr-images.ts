import { Inject, Injectable } from '@nestjs/common';
import { toBuffer } from 'qrcode';
import { CLOCK, type Clock } from '../settings/clock.js';

/** Pixels: six per module, which a phone can scan from a screen at arm’s length. */
const WIDTH = 240;
/** How long an image is cached. Short, because it holds a secret. */
const TTL_MS = 60_000;
/** A page that shows the code and is reloaded needs a few. */
const REQUESTS_PER_DRAWING = 30;

interface Drawing {
  png: Promise<Buffer>;
  drawnAt: number;
  requests: number;
}

/**
 * Draws QR codes, each at most once a minute: a drawing costs milliseconds of CPU,
 * and anyone who has the link can request it. A link may be requested 30 times a
 * minute. At most 100 drawings are cached, each for a minute.
 */
@Injectable()
export class QrImages {
  /** Cached drawings; the oldest is dropped first. */
  protected readonly capacity: number = 100;
  private readonly drawings = new Map<string, Drawing>();

  constructor(@Inject(CLOCK) private readonly now: Clock) {}

  /**
   * @param key identifies the content; not a secret itself
   * @returns the PNG, or the seconds to wait if the link was requested too often
   */
  async get(
    key: string,
    content: () => string,
  ): Promise<Buffer | { retryAfterSeconds: number }> {
    const drawing = this.drawings.get(key);
    const age = drawing ? this.now() - drawing.drawnAt : Infinity;
    if (!drawing || age >= TTL_MS) return await this.draw(key, content());
    if (drawing.requests >= REQUESTS_PER_DRAWING)
      return { retryAfterSeconds: Math.ceil((TTL_MS - age) / 1000) };
    drawing.requests += 1;
    return await drawing.png;
  }

  /** Drops a drawing that must not be shown again. */
  forget(key: string): void {
    this.drawings.delete(key);
  }

  private async draw(key: string, content: string): Promise<Buffer> {
    const [oldest] = this.drawings.keys();
    this.drawings.delete(key);
    if (this.drawings.size >= this.capacity) this.drawings.delete(oldest!);
    const drawing: Drawing = {
      png: toBuffer(content, { width: WIDTH }),
      drawnAt: this.now(),
      requests: 1,
    };
    this.drawings.set(key, drawing);
    // Even without another request. The timer must not keep the process alive.
    setTimeout(() => {
      if (this.drawings.get(key) === drawing) this.drawings.delete(key);
    }, TTL_MS).unref();
    return await drawing.png;
  }
}
