import type { DataKeys } from '../store/data-keys.js';
import type { RecoveryKey } from '../store/recovery-keys.js';
import type { CheckedUser } from './check-user.js';
import type { ExportHeader } from './exchange.js';

/** The keys of recovery codes that an export brings. Those that users need are stored. */
export class ImportRecoveryKeys {
  private readonly keys = new Map<string, RecoveryKey>();
  private readonly stored = new Set<string>();
  /** Of all keys; asked for each user. */
  readonly ids = new Set<string>();

  constructor(private readonly dataKeys: DataKeys) {}

  take({ recovery_keys }: ExportHeader): void {
    for (const { id, key } of recovery_keys) {
      this.keys.set(id, { id, key: Buffer.from(key, 'base64') });
      this.ids.add(id);
    }
  }

  /** Stores those of these ids that were not stored yet. */
  async store(ids: ReadonlySet<string>): Promise<void> {
    const fresh = [...this.keys.values()].filter(
      ({ id }) => ids.has(id) && !this.stored.has(id),
    );
    await this.dataKeys.addRecoveryKeys(fresh);
    for (const { id } of fresh) this.stored.add(id);
  }
}

/** The id of its key stands before each keyed hash. */
export function recoveryKeyIdsOf(users: readonly CheckedUser[]): Set<string> {
  const ids = new Set<string>();
  for (const { factors } of users)
    for (const { secret } of factors)
      if (typeof secret === 'string') ids.add(secret.split('.', 1)[0]!);
  return ids;
}
