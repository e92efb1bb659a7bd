import { hkdfSync, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { EncryptionKey } from '../settings/encryption-keys.js';
import type { KeyProvider } from '../settings/key-provider.interface.js';
import { StartError } from '../settings/start-error.js';
import { LocalKeyProvider } from './local-key-provider.js';
import type { Database, Queries, Unit } from './database.js';
import type { RecoveryKey } from './recovery-keys.js';
import type { DataKeyRow } from './schema.js';

export interface DataKey {
  /** Stored with everything the key encrypted or hashed. */
  id: string;
  /** Encrypts secrets, hashes codes and keys, or hashed recovery codes that were imported. */
  purpose: DataKeyRow['purpose'];
  /** Whose recovery codes it hashed; other keys have none. */
  realm?: string | undefined;
  key: Buffer;
  /** Milliseconds since 1970. */
  createdAt: number;
}

/**
 * The data keys of the database, each encrypted by a {@link KeyProvider}: envelope
 * encryption. A new key of the provider encrypts a handful of rows anew, and not
 * every secret.
 */
export class DataKeys {
  constructor(
    private readonly database: Database,
    private readonly provider: KeyProvider,
    private readonly now: () => number,
    /** Keys that encrypted records before there were data keys. */
    private readonly existing: readonly EncryptionKey[],
    /** Decrypts what encryption keys encrypted, on the way from them to a provider. */
    private readonly former: LocalKeyProvider,
  ) {}

  /**
   * Reads the data keys, the newest first, and creates the first ones.
   *
   * @throws StartError if the provider cannot decrypt one
   */
  async load(): Promise<DataKey[]> {
    let rows = await this.rows(this.database.read);
    if (rows.length === 0) {
      await this.createFirst();
      rows = await this.rows(this.database.read);
    }
    return await Promise.all(rows.map((row) => this.open(row)));
  }

  /**
   * The data keys that the first start would store for records from before there
   * were any; `undefined` if there are some, or no such records.
   */
  async derived(): Promise<DataKey[] | undefined> {
    const isFirst =
      this.existing.length > 0 &&
      (await this.rows(this.database.read)).length === 0;
    return isFirst
      ? this.existing.flatMap((key) => derivedKeys(key))
      : undefined;
  }

  /** Whether there are other data keys than these. */
  async haveChanged(known: readonly DataKey[]): Promise<boolean> {
    const rows = await this.rows(this.database.read);
    // One may have been added, and another one deleted with its realm.
    const names = new Set(known.map(nameOf));
    return (
      rows.length !== known.length ||
      rows.some((row) => !names.has(nameOf(row)))
    );
  }

  /** Whether {@link rewrap} has something to do. */
  async needRewrap(): Promise<boolean> {
    return (await this.outdated()).length > 0;
  }

  /** Id of the key that encrypts the data keys. */
  get wrappingKeyId(): string {
    return this.provider.currentKeyId;
  }

  /** Adds a data key. Instances encrypt with it once all of them know it. */
  async addDataKey(): Promise<void> {
    const key = this.make('encryption', this.now());
    const row = await this.seal(key);
    await this.database.unit(({ db }) => insert(db, [row]));
  }

  /** Adds keys that hashed recovery codes of another database. */
  async addRecoveryKeys(
    keys: readonly (RecoveryKey & { realm: string })[],
  ): Promise<void> {
    if (keys.length === 0) return;
    const createdAt = this.now();
    const rows = await Promise.all(
      keys.map((key) => this.seal({ ...key, purpose: 'recovery', createdAt })),
    );
    await this.database.unit(({ db }) =>
      db
        .insertInto('data_keys')
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    );
  }

  /**
   * Encrypts with the provider's current key what another one encrypted: then the
   * other one can be removed.
   */
  async rewrap(): Promise<void> {
    for (const row of await this.outdated()) {
      const { wrapping_key, wrapped } = await this.seal(await this.open(row));
      await this.database.unit(({ db }) =>
        db
          .updateTable('data_keys')
          .set({ wrapping_key, wrapped })
          .where('id', '=', row.id)
          .where('purpose', '=', row.purpose)
          .where('wrapped', '=', row.wrapped)
          .execute(),
      );
    }
  }

  private async outdated(): Promise<DataKeyRow[]> {
    const rows = await this.rows(this.database.read);
    return rows.filter(
      ({ wrapping_key }) => wrapping_key !== this.provider.currentKeyId,
    );
  }

  private async createFirst(): Promise<void> {
    const now = this.now();
    const keys =
      this.existing.length > 0
        ? this.existing.flatMap((key, i) => derivedKeys(key, now - i))
        : [this.make('encryption', now), this.make('hashing', now)];
    // Outside of the unit: the provider may be far away.
    const rows = await Promise.all(keys.map((key) => this.seal(key)));
    await this.database.unit(async (unit) => {
      await lockTable(unit);
      // Of instances that start at the same time, one creates them.
      if ((await this.rows(unit.db)).length === 0) await insert(unit.db, rows);
    });
  }

  private make(purpose: DataKey['purpose'], createdAt: number): DataKey {
    const id = randomBytes(6).toString('hex');
    return { id, purpose, key: randomBytes(32), createdAt };
  }

  private rows(db: Queries): Promise<DataKeyRow[]> {
    return db
      .selectFrom('data_keys')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .execute();
  }

  private async seal(key: DataKey): Promise<DataKeyRow> {
    const { id, purpose, realm = '', createdAt } = key;
    const { keyId, bytes } = await this.provider.wrap(
      key.key,
      contextOf({ id, purpose, realm, created_at: createdAt }),
    );
    return {
      id,
      purpose,
      realm,
      wrapping_key: keyId,
      wrapped: bytes.toString('base64'),
      created_at: createdAt,
    };
  }

  private async open(row: DataKeyRow): Promise<DataKey> {
    const { id, purpose, realm, wrapping_key: keyId, created_at } = row;
    const bytes = Buffer.from(row.wrapped, 'base64');
    try {
      const provider = this.former.knows(keyId) ? this.former : this.provider;
      const key = await provider.unwrap({ keyId, bytes }, contextOf(row));
      return {
        id,
        purpose,
        realm,
        key,
        createdAt: created_at,
      };
    } catch (error) {
      throw new StartError(
        this.provider instanceof LocalKeyProvider
          ? `Option encryptionKeys: the database was encrypted with other keys: restore the key "${keyId}", or the key file beside the database`
          : `Option keyProvider: a data key could not be decrypted: it was encrypted with the key "${keyId}", which the provider must keep until no data key uses it`,
        { cause: error },
      );
    }
  }
}

/**
 * The data keys that an encryption key stood for before they were stored: what it
 * encrypted and hashed stays readable under its id.
 */
export function derivedKeys(
  { id, key }: EncryptionKey,
  createdAt = 0,
): DataKey[] {
  return (['encryption', 'hashing'] as const).map((purpose) => ({
    id,
    purpose,
    key: derived(Buffer.from(key, 'base64'), purpose),
    createdAt,
  }));
}

export function derived(key: Buffer, purpose: string): Buffer {
  const info = `nestjs-gauthify ${purpose}`;
  return Buffer.from(hkdfSync('sha256', key, '', info, 32));
}

async function lockTable({ db, dialect }: Unit): Promise<void> {
  if (dialect === 'postgres')
    await sql`lock table data_keys in share row exclusive mode`.execute(db);
}

async function insert(db: Queries, rows: DataKeyRow[]): Promise<void> {
  await db.insertInto('data_keys').values(rows).execute();
}

const nameOf = ({ id, purpose, realm = '' }: Partial<DataKey>) =>
  [purpose, realm, id].join(' ');

/** The age counts too: the newest key encrypts. */
const contextOf = ({
  id,
  purpose,
  realm,
  created_at,
}: Pick<DataKeyRow, 'id' | 'purpose' | 'realm' | 'created_at'>) =>
  ['nestjs-gauthify data key', purpose, id, created_at, realm].join(' ');
