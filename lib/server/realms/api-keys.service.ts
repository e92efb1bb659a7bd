import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { STANDALONE } from '../settings/mount-path.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { constantTimeEqual, randomToken, sha256 } from '../store/random.js';
import { DATABASE, type Database } from '../store/schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';

/** API keys, from the options and from the database. */
@Injectable()
export class ApiKeysService implements OnApplicationBootstrap {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    @Inject(STANDALONE) private readonly standalone: boolean,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // The program makes a first key once it listens.
    if (this.standalone || (await this.exists())) return;
    this.logger.warn(
      'There is no API key, so every call is answered with 401: set the option apiKeys to [{ realm, key }], or call createFirst() of ApiKeysService',
    );
  }

  /** The realm of a key; `undefined` if the key is unknown. */
  async realmOf(key: string): Promise<string | undefined> {
    // Compares with all of them, so that the time reveals nothing.
    const configured = this.settings.apiKeys.filter((candidate) =>
      constantTimeEqual(candidate.key, key),
    )[0];
    if (configured) return configured.realm;
    // Looked up by its hash: the time of the index search reveals nothing about the key.
    const stored = await this.db
      .selectFrom('api_keys')
      .select('realm')
      .where('hash', '=', sha256(key))
      .executeTakeFirst();
    return stored?.realm;
  }

  /** The realms that have a key in the database. */
  async storedRealms(): Promise<string[]> {
    const rows = await this.db
      .selectFrom('api_keys')
      .select('realm')
      .distinct()
      .orderBy('realm')
      .execute();
    return rows.map(({ realm }) => realm);
  }

  /**
   * Makes a key of the realm `default` if there is no key at all.
   *
   * @returns the key, of which only the hash is stored; `undefined` if there is one already
   */
  async createFirst(): Promise<string | undefined> {
    if (await this.exists()) return undefined;
    const key = randomToken();
    await this.db
      .insertInto('api_keys')
      .values({ hash: sha256(key), realm: 'default', created_at: this.now() })
      .execute();
    return key;
  }

  /** Whether there is a key, in the options or in the database. */
  private async exists(): Promise<boolean> {
    if (this.settings.apiKeys.length > 0) return true;
    const stored = await this.db
      .selectFrom('api_keys')
      .select('hash')
      .limit(1)
      .executeTakeFirst();
    return stored !== undefined;
  }
}
