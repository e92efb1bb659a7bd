import type { GAuthifyUser } from '../contract/dto/gauthify-user.dto.js';
import type * as QrCode from 'qrcode';
import { loadPeer } from './load-peer.js';

/** Draws the QR codes of `mfa.routes` with the optional package `qrcode`. */
export class QrCodes {
  private constructor(private readonly qrcode: typeof QrCode) {}

  /** @throws Error `qrcode` is not installed */
  static async load(): Promise<QrCodes> {
    return new QrCodes(
      await loadPeer('qrcode', 'mfa.routes', () => import('qrcode')),
    );
  }

  /** An SVG document. */
  async draw(text: string): Promise<string> {
    return await this.qrcode.toString(text, { type: 'svg' });
  }
}

/** What an authenticator app reads. The hosted service does not send it: it is made of `key` then. */
export function otpauthUriOf(user: GAuthifyUser): string {
  return (
    user.otpauthUri ??
    `otpauth://totp/${encodeURIComponent(user.displayText || user.displayName)}?secret=${user.key}`
  );
}
