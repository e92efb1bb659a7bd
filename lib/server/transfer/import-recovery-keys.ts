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

  /** Stores those that were not stored yet. */
  async store(needed: readonly NeededKey[]): Promise<void> {
    const fresh = needed.flatMap(({ id, realm }) => {
      const key = this.keys.get(id);
      const isNew = !this.stored.has(nameOf({ id, realm }));
      return key && isNew ? [{ ...key, realm }] : [];
    });
    await this.dataKeys.addRecoveryKeys(fresh);
    for (const key of fresh) this.stored.add(nameOf(key));
  }
}

/** A key of recovery codes, and the realm of the users who have them. */
export interface NeededKey {
  id: string;
  realm: string;
}

const nameOf = ({ id, realm }: NeededKey) => `${realm} ${id}`;

/** The id of its key stands before each keyed hash. */
export function recoveryKeysOf(users: readonly CheckedUser[]): NeededKey[] {
  const needed = new Map<string, NeededKey>();
  for (const { user, factors } of users)
    for (const { secret } of factors) {
      if (typeof secret !== 'string') continue;
      const id = secret.split('.', 1)[0]!;
      const key = { id, realm: user.realm };
      needed.set(nameOf(key), key);
    }
  return [...needed.values()];
}
