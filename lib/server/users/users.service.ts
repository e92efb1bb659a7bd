import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { sql, type Updateable } from 'kysely';
import type { CreateUserDto } from '../../contract/dto/create-user.dto.js';
import type { ListUsersDto } from '../../contract/dto/list-users.dto.js';
import { toE164 } from '../../contract/dto/phone-number.js';
import type { UpdateUserDto } from '../../contract/dto/update-user.dto.js';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { DATABASE, type Database, type UserRow } from '../store/schema.js';
import type { Channel } from '../../contract/channel.js';
import { UserSecrets } from '../store/user-secrets.js';

const DEFAULT_PAGE_SIZE = 100;

/** Users read and shown at a time: takes a few milliseconds, during which no other request is answered. */
const READ_AT_ONCE = 50;

/** The users of all realms. A call with a realm reaches only the users of that realm. */
@Injectable()
export class UsersService {
  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    private readonly secrets: UserSecrets,
  ) {}

  /** @throws ConflictError if the `unique_id` exists in the realm */
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
        ...this.secrets.create(id),
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

  /**
   * Pages of users: oldest first, or by `unique_id` if `after` is given; all of
   * them without `page`. Keyset pagination: each page starts after the last user of
   * the page before, so that no user is missed or repeated while others are
   * created and deleted.
   */
  async *list(
    realm: string,
    { page, pageSize, after }: ListUsersDto,
  ): AsyncGenerator<UserRow[], void> {
    const size = pageSize ?? DEFAULT_PAGE_SIZE;
    const isWhole =
      after === undefined && page === undefined && pageSize === undefined;
    let left = isWhole ? Infinity : size;
    let last: UserRow | undefined;
    do {
      const limit = Math.min(left, READ_AT_ONCE);
      const offset = last ? 0 : ((page ?? 1) - 1) * size;
      const users: UserRow[] =
        after === undefined
          ? await this.oldestFirst(realm, last, limit, offset)
          : await this.byUniqueId(realm, last?.unique_id ?? after, limit);
      if (users.length > 0) yield users;
      if (users.length < limit) return;
      left -= users.length;
      last = users.at(-1);
    } while (left > 0);
  }

  private oldestFirst(
    realm: string,
    last: UserRow | undefined,
    limit: number,
    offset: number,
  ): Promise<UserRow[]> {
    return this.inRealm(realm)
      .$if(last !== undefined, (query) =>
        query.where((eb) =>
          eb(
            eb.refTuple('created_at', 'id'),
            '>',
            eb.tuple(last!.created_at, last!.id),
          ),
        ),
      )
      .orderBy('created_at')
      .orderBy('id')
      .limit(limit)
      .offset(offset)
      .execute();
  }

  private inRealm(realm: string) {
    return this.db.selectFrom('users').selectAll().where('realm', '=', realm);
  }

  private byUniqueId(
    realm: string,
    after: string,
    limit: number,
  ): Promise<UserRow[]> {
    return this.inRealm(realm)
      .where('unique_id', '>', after)
      .orderBy('unique_id')
      .limit(limit)
      .execute();
  }

  /** @throws NotFoundError */
  async get(realm: string, uniqueId: string): Promise<UserRow> {
    return found(
      await this.inRealm(realm)
        .where('unique_id', '=', uniqueId)
        .executeTakeFirst(),
    );
  }

  /** Finds a user of any realm by the id of the row: for pages, whose URL is signed. */
  async findById(id: string): Promise<UserRow | undefined> {
    return await this.db
      .selectFrom('users')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
  }

  /**
   * Changes the given fields. A changed address invalidates the code sent to it, and
   * a reset key every sent code. Both change the user's epoch, which invalidates
   * tokens and proofs.
   *
   * @throws NotFoundError
   * @throws ConflictError if the user is enrolled and `unlessEnrolled` is true
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
          // An update needs a column: without a change, the id is set to itself.
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
          ...(resetKey ? this.secrets.create(id) : {}),
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

  /** @returns the user as they were. @throws NotFoundError */
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

/** A new epoch if an address or number changes; otherwise the current one. */
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
