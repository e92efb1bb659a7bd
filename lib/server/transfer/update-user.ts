import { randomUUID } from 'node:crypto';
import type { Channel } from '../../contract/channel.js';
import type { Unit } from '../store/database.js';
import type { UserRow } from '../store/schema.js';
import type { CheckedUser } from './check-user.js';

const CHANNEL_OF: Partial<Record<keyof UserRow, Channel>> = {
  email: 'email',
  sms_number: 'sms',
  voice_number: 'voice',
};

const DETAILS = [
  'display_name',
  'email',
  'sms_number',
  'voice_number',
  'meta',
] as const;

/** A user who was updated, and the names of the fields that changed. */
export interface UpdatedUser extends Pick<UserRow, 'id' | 'realm'> {
  fields: string[];
}

/**
 * Updates name, addresses, numbers and `meta` of a user who exists, as
 * `PUT users/{id}/` does: a changed address ends the code that was sent to the old
 * one, and the user's tokens and proofs.
 *
 * Nothing else: a factor of the file may be one that the user has reset since,
 * because somebody else has it; and failures and locks are those of this server.
 *
 * @returns whose row it was, and what was different, if anything was
 */
export async function updateUser(
  { db, dialect }: Unit,
  checked: CheckedUser,
): Promise<UpdatedUser | undefined> {
  const { user } = checked;
  const before = await db
    .selectFrom('users')
    .selectAll()
    .where('realm', '=', user.realm)
    .where('unique_id', '=', user.unique_id)
    .$if(dialect === 'postgres', (query) => query.forUpdate())
    .executeTakeFirst();
  // Deleted since it was found: the next run creates them.
  if (!before) return undefined;
  const changed = changesOf(checked, before);
  if (changed.length === 0) return undefined;
  const stale = changed.flatMap((name) => CHANNEL_OF[name] ?? []);
  await db
    .updateTable('users')
    .set({
      ...Object.fromEntries(changed.map((name) => [name, user[name]])),
      ...(stale.length > 0 ? { epoch: randomUUID() } : {}),
    })
    .where('id', '=', before.id)
    .execute();
  if (stale.length > 0)
    await db
      .deleteFrom('sent_codes')
      .where('user_id', '=', before.id)
      .where('channel', 'in', stale)
      .execute();
  return { id: before.id, realm: before.realm, fields: changed };
}

/** What the file says otherwise than the database. */
export function changesOf({ user, given }: CheckedUser, before: UserRow) {
  return DETAILS.filter(
    (name) => given.has(name) && user[name] !== before[name],
  );
}
