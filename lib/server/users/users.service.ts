import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { sql, type Updateable } from 'kysely';
import type { CreateUserDto } from '../../dto/create-user.dto.js';
import type { ListUsersDto } from '../../dto/list-users.dto.js';
import { toE164 } from '../../dto/phone-number.js';
import type { UpdateUserDto } from '../../dto/update-user.dto.js';
import { ConflictError } from '../../errors/conflict.error.js';
import { NotFoundError } from '../../errors/not-found.error.js';
import { CLOCK, type Clock } from '../clock.js';
import { Keyring } from '../database/keyring.js';
import { DATABASE, type Database, type UserRow } from '../database/schema.js';
import type { Channel } from '../delivery/channel.js';
import { newSecrets } from './user-secrets.js';

const DEFAULT_PAGE_SIZE = 100;

/** The users of all realms. Each call reaches those of the realm it names alone. */
@Injectable()
export class UsersService {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    private readonly keyring: Keyring,
  ) {}

  /** @throws ConflictError where the `unique_id` exists in the realm */
  async create(realm: string, user: CreateUserDto): Promise<UserRow> {
    const id = randomUUID();
    const row = await this.db
      .insertInto('users')
      .values({
        id,
        realm,
        unique_id: user.uniqueId,
        display_name: user.displayName,
        email: user.email ?? null,
        sms_number: phone(user.smsNumber) ?? null,
        voice_number: phone(user.voiceNumber) ?? null,
        meta: user.meta ? JSON.stringify(user.meta) : null,
        enrolled: 0,
        created_at: this.now(),
        ...newSecrets(this.keyring, id),
      })
      .onConflict((conflict) =>
        conflict.columns(['realm', 'unique_id']).doNothing(),
      )
      .returningAll()
      .executeTakeFirst();
    if (!row)
      throw new ConflictError('A user with this unique_id exists already', {
        errorCode: 'user_exists',
      });
    return row;
  }

  /** Oldest first, all of them without `page`; with `after`, by `unique_id`. */
  async list(
    realm: string,
    { page, pageSize, after }: ListUsersDto,
  ): Promise<UserRow[]> {
    const size = pageSize ?? DEFAULT_PAGE_SIZE;
    // By what every user has from beginning to end, and an index is of: a page
    // stays where it is, whoever is made or deleted before it.
    if (after !== undefined)
      return await this.db
        .selectFrom('users')
        .selectAll()
        .where('realm', '=', realm)
        .where('unique_id', '>', after)
        .orderBy('unique_id')
        .limit(size)
        .execute();
    return await this.db
      .selectFrom('users')
      .selectAll()
      .where('realm', '=', realm)
      .orderBy('created_at')
      .orderBy('id')
      .$if(page !== undefined || pageSize !== undefined, (query) =>
        query.limit(size).offset(((page ?? 1) - 1) * size),
      )
      .execute();
  }

  /** @throws NotFoundError */
  async get(realm: string, uniqueId: string): Promise<UserRow> {
    return found(
      await this.db
        .selectFrom('users')
        .selectAll()
        .where('realm', '=', realm)
        .where('unique_id', '=', uniqueId)
        .executeTakeFirst(),
    );
  }

  /** By the id of the row, of any realm: for pages whose URL is the permission. */
  async findById(id: string): Promise<UserRow | undefined> {
    return await this.db
      .selectFrom('users')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
  }

  /**
   * Changes what is given. A code that was sent to an address which is changed
   * now, and every code where the key is reset, stops working. Both move the
   * user's epoch, which ends tokens and proofs.
   *
   * @throws NotFoundError
   * @throws ConflictError where the user is enrolled, and `unlessEnrolled` was asked for
   */
  async update(
    realm: string,
    uniqueId: string,
    changes: UpdateUserDto,
  ): Promise<UserRow> {
    const { id } = await this.get(realm, uniqueId);
    const { email, smsNumber, voiceNumber, resetKey } = changes;
    const unlessEnrolled = resetKey === true && changes.unlessEnrolled === true;
    const stale: Channel[] = resetKey ? ['email', 'sms', 'voice'] : [];
    if (email !== undefined) stale.push('email');
    if (smsNumber !== undefined) stale.push('sms');
    if (voiceNumber !== undefined) stale.push('voice');
    return await this.db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable('users')
        .set({
          // A column without a change is set to itself: an update needs one.
          id,
          display_name: changes.displayName,
          email,
          sms_number: phone(smsNumber),
          voice_number: phone(voiceNumber),
          meta: changes.meta ? JSON.stringify(changes.meta) : changes.meta,
          epoch: epochAfter({
            email,
            sms_number: phone(smsNumber),
            voice_number: phone(voiceNumber),
          }),
          ...(resetKey ? newSecrets(this.keyring, id) : {}),
          ...(resetKey && !changes.keepEnrolled ? { enrolled: 0 } : {}),
        })
        .where('id', '=', id)
        .$if(unlessEnrolled, (query) => query.where('enrolled', '=', 0))
        .returningAll()
        .executeTakeFirst();
      if (!row && unlessEnrolled)
        throw new ConflictError('The user is enrolled', {
          errorCode: 'user_enrolled',
        });
      if (stale.length > 0)
        await trx
          .deleteFrom('sent_codes')
          .where('user_id', '=', id)
          .where('channel', 'in', stale)
          .execute();
      return found(row);
    });
  }

  /** @returns the user as they last were; @throws NotFoundError */
  async delete(realm: string, uniqueId: string): Promise<UserRow> {
    return found(
      await this.db
        .deleteFrom('users')
        .where('realm', '=', realm)
        .where('unique_id', '=', uniqueId)
        .returningAll()
        .executeTakeFirst(),
    );
  }
}

/** Another epoch where an address or number becomes a different one; else the one there is. */
function epochAfter(
  given: Pick<Updateable<UserRow>, 'email' | 'sms_number' | 'voice_number'>,
) {
  const changes = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(
      ([column, value]) => sql`${sql.ref(column)} is distinct from ${value}`,
    );
  return changes.length === 0
    ? undefined
    : sql<string>`case when ${sql.join(changes, sql` or `)} then ${randomUUID()} else epoch end`;
}

function phone(number: string | null | undefined): string | null | undefined {
  return number ? toE164(number) : number;
}

function found(user: UserRow | undefined): UserRow {
  if (user) return user;
  throw new NotFoundError('No such user', { errorCode: 'user_not_found' });
}
