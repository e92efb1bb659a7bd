import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { constantTimeEqual } from '../store/random.js';
import { Keyring } from '../store/keyring.js';
import type { UserRow } from '../store/schema.js';
import { MOUNT_PATH } from '../settings/mount-path.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';
import { openTotpSecret } from '../store/user-secrets.js';

/** A page about one user. */
export type Page = 'qr' | 'ez' | 'instructions';

/**
 * URLs of a user's pages. Such a URL is a permission of its own: it carries a
 * hash keyed by the user's TOTP secret, so nobody can guess it, that of one page
 * does not open another, and `reset_key` ends them all. Nothing is stored.
 */
@Injectable()
export class Links {
  private listensOn?: string;

  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    @Inject(MOUNT_PATH) private readonly mountPath: string,
    private readonly keyring: Keyring,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** @param secret the user's TOTP secret, opened once by whoever needs several links */
  url(user: UserRow, page: Page, secret: Buffer): string {
    const signature = sign(user, page, secret);
    return `${this.base()}${this.mountPath}/v1/${page}/${user.id}/${signature}`;
  }

  allows(user: UserRow, page: Page, signature: string): boolean {
    const secret = openTotpSecret(this.keyring, user);
    return constantTimeEqual(sign(user, page, secret), signature);
  }

  private base(): string {
    const known = this.settings.publicUrl ?? this.listensOn;
    if (known !== undefined) return known;
    const server = this.adapterHost.httpAdapter?.getHttpServer() as
      { address(): AddressInfo | string | null } | undefined;
    const address = server?.address();
    if (!address || typeof address === 'string') return 'http://localhost';
    const { address: host, port } = address;
    const shownHost =
      host === '::' || host === '0.0.0.0'
        ? 'localhost'
        : host.includes(':')
          ? `[${host}]`
          : host;
    // Asked once: each time is a system call, and a list shows three links a user.
    this.listensOn = `http://${shownHost}:${port}`;
    return this.listensOn;
  }
}

function sign(user: UserRow, page: Page, secret: Buffer): string {
  return createHmac('sha256', secret)
    .update(`page\n${page}\n${user.id}`)
    .digest('base64url');
}
