import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { DATABASE, type Database, type Unit } from './database.js';
import { DataKeys } from './data-keys.js';
import {
  SEAL_PREFIX,
  FactorSecrets,
  SEALED_COLUMNS,
} from './factor-secrets.js';
import { Keyring } from './keyring.js';
import { answerPlace } from './idempotency-store.js';

/** How often an instance looks for data keys that another one added. */
const LOOK_EVERY_MS = 10_000;
/** Users whose secrets are encrypted anew in one unit of work: their checks wait for it. */
const USERS_AT_ONCE = 50;
const ANSWERS_AT_ONCE = 200;

/** How far a rotation is. */
export interface RotationProgress {
  /** Users whose secrets are encrypted with the newest data key. */
  done: number;
  /** All users. */
  total: number;
}

/**
 * Renews the data key that encrypts secrets, while instances serve. Every instance
 * reads what either key encrypted; a rotation that was interrupted goes on.
 */
@Injectable()
export class KeyRotation
  implements OnApplicationBootstrap, OnApplicationShutdown
{
  private readonly logger = new Logger('GAuthifyServer');
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly dataKeys: DataKeys,
    private readonly keyring: Keyring,
    private readonly secrets: FactorSecrets,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** Uses the data keys that another instance added. */
  async look(): Promise<void> {
    try {
      if (await this.dataKeys.haveChanged(this.keyring.keys))
        this.keyring.replace(await this.dataKeys.load());
    } catch (error) {
      this.logger.error(
        `The data keys could not be read: ${(error as Error).name}`,
      );
    }
  }

  /**
   * Encrypts all secrets with a new data key; with the newest one, if an earlier
   * rotation is not complete.
   *
   * @param onProgress called after each step
   * @param wait resolves after so many milliseconds
   * @returns ids of the data key, and of the key that encrypts it: no older one is needed
   */
  async rotate(
    onProgress: (progress: RotationProgress) => void,
    wait = (ms: number) => new Promise<void>((end) => setTimeout(end, ms)),
  ): Promise<{ dataKeyId: string; wrappingKeyId: string }> {
    await this.dataKeys.rewrap();
    if (await this.isComplete()) await this.dataKeys.addDataKey();
    this.keyring.replace(await this.dataKeys.load());
    const newest = this.keyring.newestDataKey;
    // Other instances must know the key before they find what it encrypted.
    while (this.keyring.sealingKey.id !== newest.id) await wait(1_000);
    await this.renewUsers(onProgress);
    await this.renewAnswers();
    return { dataKeyId: newest.id, wrappingKeyId: this.dataKeys.wrappingKeyId };
  }

  /** Whether the newest data key encrypts every secret. */
  async isComplete(): Promise<boolean> {
    const { id } = this.keyring.newestDataKey;
    const old = await this.database.snapshot(
      (db) =>
        db
          .selectFrom('factors')
          .select('id')
          .where('kind', '!=', 'recovery')
          .where('secret', 'not like', `${SEAL_PREFIX}${id}.%`)
          .limit(1)
          .executeTakeFirst(),
      'commands',
    );
    return old === undefined;
  }

  private async renewUsers(
    onProgress: (progress: RotationProgress) => void,
  ): Promise<void> {
    const { total } = await this.database.snapshot(
      (db) =>
        db
          .selectFrom('users')
          .select(({ fn }) => fn.countAll<number>().as('total'))
          .executeTakeFirstOrThrow(),
      'commands',
    );
    let last = '';
    for (let done = 0; ;) {
      const ids = await this.database.unit((unit) =>
        this.renewSome(unit, last),
      );
      done += ids.length;
      onProgress({ done, total: Math.max(done, total) });
      if (ids.length < USERS_AT_ONCE) return;
      last = ids.at(-1)!;
    }
  }

  /** @returns the ids of the users */
  private async renewSome(
    { db, dialect }: Unit,
    after: string,
  ): Promise<string[]> {
    // Locked, as by everybody who changes what belongs to a user.
    const users = await db
      .selectFrom('users')
      .select(['id', 'realm', 'unique_id'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(USERS_AT_ONCE)
      .$if(dialect === 'postgres', (query) => query.forUpdate())
      .execute();
    if (users.length === 0) return [];
    const { id } = this.keyring.sealingKey;
    const factors = await db
      .selectFrom('factors')
      .select(SEALED_COLUMNS)
      .where(
        'user_id',
        'in',
        users.map((user) => user.id),
      )
      .where('kind', '!=', 'recovery')
      .where('secret', 'not like', `${SEAL_PREFIX}${id}.%`)
      .execute();
    for (const factor of factors) {
      const owner = users.find((user) => user.id === factor.user_id)!;
      const opened = this.secrets.open(factor, owner);
      await db
        .updateTable('factors')
        .set({ secret: this.secrets.seal(opened, owner, factor) })
        .where('id', '=', factor.id)
        .execute();
    }
    return users.map((user) => user.id);
  }

  /** Stored answers, which hold secrets too. */
  private async renewAnswers(): Promise<void> {
    const { id: key } = this.keyring.sealingKey;
    for (let renewed = ANSWERS_AT_ONCE; renewed === ANSWERS_AT_ONCE;)
      renewed = await this.database.unit(async ({ db }) => {
        const answers = await db
          .selectFrom('idempotency')
          .select(['id', 'answer'])
          .where('answer', 'not like', `${key}.%`)
          .limit(ANSWERS_AT_ONCE)
          .execute();
        for (const { id, answer } of answers)
          await db
            .updateTable('idempotency')
            .set({
              answer: this.keyring.seal(
                this.keyring.open(answer!, answerPlace(id)),
                answerPlace(id),
              ),
            })
            .where('id', '=', id)
            .where('answer', '=', answer)
            .execute();
        return answers.length;
      }, 'commands');
  }
}
