import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DATABASE, type Database } from './schema.js';

/** Closes the database once the HTTP server took its last request. */
@Injectable()
export class DatabaseLifecycle implements OnApplicationShutdown {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async onApplicationShutdown(): Promise<void> {
    await this.db.destroy();
  }
}
