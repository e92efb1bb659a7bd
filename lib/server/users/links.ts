import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { constantTimeEqual } from '../codes/random.js';
import { Keyring } from '../database/keyring.js';
import type { UserRow } from '../database/schema.js';
import { MOUNT_PATH } from '../mount-path.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings.js';
import { openTotpSecret } from './user-secrets.js';

/** A page about one user. */
export type Page = 'qr' | 'ez' | 'instructions';

/**
 * URLs of a user's pages. Such a URL is a permission of its own: it carries a
 * hash keyed by the user's TOTP secret, so nobody can guess it, that of one page
 * does not open another, and `reset_key` ends them all. Nothing is stored.
 */
@Injectable()
export class Links {
  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    @Inject(MOUNT_PATH) private readonly mountPath: string,
    private readonly keyring: Keyring,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  url(user: UserRow, page: Page): string {
    const signature = this.sign(user, page);
    return `${this.base()}${this.mountPath}/v1/${page}/${user.id}/${signature}`;
  }

  allows(user: UserRow, page: Page, signature: string): boolean {
    return constantTimeEqual(this.sign(user, page), signature);
  }

  private sign(user: UserRow, page: Page): string {
    return createHmac('sha256', openTotpSecret(this.keyring, user))
      .update(`page\n${page}\n${user.id}`)
      .digest('base64url');
  }

  private base(): string {
    if (this.settings.publicUrl !== undefined) return this.settings.publicUrl;
    const server = this.adapterHost.httpAdapter?.getHttpServer() as
      { address(): AddressInfo | string | null } | undefined;
    const address = server?.address();
    if (!address || typeof address === 'string') return 'http://localhost';
    const { address: host, port } = address;
    if (host === '::' || host === '0.0.0.0') return `http://localhost:${port}`;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
}
