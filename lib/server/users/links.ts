import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { constantTimeEqual } from '../store/random.js';
import type { User } from '../factors/factors.service.js';
import { MOUNT_PATH } from '../settings/mount-path.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { FactorSecrets } from '../store/factor-secrets.js';

/** A page about one user. */
export type Page = 'qr' | 'ez' | 'instructions';

/**
 * URLs of a user's pages. Whoever has such a URL may open the page: it carries a
 * hash keyed by the user's TOTP secret, so it cannot be guessed, it opens no other
 * page, and `reset_key` invalidates it. Nothing is stored.
 */
@Injectable()
export class Links {
  private listensOn?: string;

  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    @Inject(MOUNT_PATH) private readonly mountPath: string,
    private readonly secrets: FactorSecrets,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** @param secret the user's TOTP secret, for callers that need several links and open it once */
  url(user: User, page: Page, secret: Buffer): string {
    const signature = sign(user, page, secret);
    return `${this.base()}${this.mountPath}/v1/${page}/${user.id}/${signature}`;
  }

  allows(user: User, page: Page, signature: string): boolean {
    const secret = this.secrets.open(user.totp, user);
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
    // Cached: each read is a system call, and a list has three links per user.
    this.listensOn = `http://${shownHost}:${port}`;
    return this.listensOn;
  }
}

function sign(user: User, page: Page, secret: Buffer): string {
  return createHmac('sha256', secret)
    .update(`page\n${page}\n${user.id}`)
    .digest('base64url');
}
