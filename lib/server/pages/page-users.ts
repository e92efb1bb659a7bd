import { Inject, Injectable, NotFoundException } from '@nestjs/common';
import type { User } from '../factors/factors.service.js';
import type { RealmSettings } from '../realms/realm-settings.js';
import { RealmsService } from '../realms/realms.service.js';
import { DATABASE, type Database } from '../store/database.js';
import { Links, type Page } from '../users/links.js';
import { UsersService } from '../users/users.service.js';

/** Finds the user of a page by its URL. */
@Injectable()
export class PageUsers {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly users: UsersService,
    private readonly links: Links,
    private readonly realms: RealmsService,
  ) {}

  /** @throws NotFoundException if the URL is not one that was handed out, or `reset_key` has ended it */
  async of(
    page: Page,
    id: string,
    signature: string,
  ): Promise<{ user: User; settings: RealmSettings }> {
    const user = await this.database.snapshot((db) =>
      this.users.findById(db, id),
    );
    if (!user || !this.links.allows(user, page, signature))
      throw new NotFoundException();
    return { user, settings: await this.realms.settingsOf(user.realm) };
  }
}
