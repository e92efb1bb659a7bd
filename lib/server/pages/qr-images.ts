import type { User } from '../factors/factors.service.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import { drawPng, drawSvg } from '../users/qr-code.js';

/** How long an image is cached. Short, because it holds a secret. */
const TTL_MS = 60_000;

/** What is drawn: the image of `qr_url`, or the one inside a page. */
export type DrawingKind = 'png' | 'svg';

interface Drawing {
  image: Promise<Buffer>;
  drawnAt: number;
}

/**
 * Draws QR codes, each at most once a minute: a drawing costs milliseconds of CPU,
 * and anyone who has the link can request it. At most 100 drawings are cached, each
 * for a minute.
 */
@Injectable()
export class QrImages {
  /** Cached drawings; the oldest is dropped first. */
  protected readonly capacity: number = 100;
  private readonly drawings = new Map<string, Drawing>();

  constructor(@Inject(CLOCK) private readonly now: Clock) {}

  /**
   * The drawing, from the cache if it is not older than a minute.
   *
   * @param key identifies the content; not a secret itself
   */
  async get(
    kind: DrawingKind,
    key: string,
    content: () => string,
  ): Promise<Buffer> {
    const cached = this.drawings.get(`${kind}\n${key}`);
    const isFresh = cached && this.now() - cached.drawnAt < TTL_MS;
    return await (isFresh ? cached.image : this.draw(kind, key, content()));
  }

  /** Drops drawings that must not be shown again. */
  forget(key: string): void {
    for (const kind of ['png', 'svg']) this.drawings.delete(`${kind}\n${key}`);
  }

  private draw(
    kind: DrawingKind,
    key: string,
    content: string,
  ): Promise<Buffer> {
    const name = `${kind}\n${key}`;
    this.drawings.delete(name);
    const [oldest] = this.drawings.keys();
    if (this.drawings.size >= this.capacity) this.drawings.delete(oldest!);
    const drawing: Drawing = {
      image:
        kind === 'png'
          ? drawPng(content)
          : drawSvg(content).then((svg) => Buffer.from(svg)),
      drawnAt: this.now(),
    };
    this.drawings.set(name, drawing);
    // Even without another request. The timer must not keep the process alive.
    setTimeout(() => {
      if (this.drawings.get(name) === drawing) this.drawings.delete(name);
    }, TTL_MS).unref();
    return drawing.image;
  }
}

/** Changes with the secret and the names, which are what is drawn. */
export function drawingKey(
  { totp, display_name }: User,
  { issuer }: RealmSettings,
): string {
  return `${totp.secret}\n${issuer}\n${display_name}`;
}
