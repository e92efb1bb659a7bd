import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { CreateUserDto } from '../../contract/dto/create-user.dto.js';
import type { ListUsersDto } from '../../contract/dto/list-users.dto.js';
import { toE164 } from '../../contract/dto/phone-number.js';
import type { UpdateUserDto } from '../../contract/dto/update-user.dto.js';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { FactorsService, type User } from '../factors/factors.service.js';
import type { Database, Queries, Unit } from '../store/database.js';
import type { UserRow } from '../store/schema.js';
import { inRealm, listUsers } from './list-users.js';
import type { Channel } from '../../contract/channel.js';

/** The users of all realms. A call with a realm reaches only the users of that realm. */
@Injectable()
export class UsersService {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    private readonly factors: FactorsService,
  ) {}

  /** @throws ConflictError if the `unique_id` exists in the realm */
  async create(unit: Unit, realm: string, user: CreateUserDto): Promise<User> {
    const row = await unit.db
      .insertInto('users')
      .values({
        id: randomUUID(),
        realm,
        unique_id: user.uniqueId,
        display_name: user.displayName,
        email: user.email ?? null,
        sms_number: phone(user.smsNumber) ?? null,
        voice_number: phone(user.voiceNumber) ?? null,
        meta: user.meta ? JSON.stringify(user.meta) : null,
        enrolled: 0,
        created_at: this.now(),
        ...newStanding(),
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
    return await this.factors.createFirst(unit, {
      ...row,
      realm,
      unique_id: user.uniqueId,
    });
  }

  /** Pages of users, as {@link listUsers} reads them. */
  list(
    read: Database['snapshot'],
    realm: string,
    query: ListUsersDto,
  ): AsyncGenerator<User[], void> {
    return listUsers(
      (page) => read(async (db) => this.factors.ofUsers(db, await page(db))),
      realm,
      query,
    );
  }

  /** @throws NotFoundError */
  async get(db: Queries, realm: string, uniqueId: string): Promise<User> {
    const row = await inRealm(db, realm)
      .where('unique_id', '=', uniqueId)
      .executeTakeFirst();
    return await this.withFactors(db, named(row, realm, uniqueId));
  }

  /**
   * A user who is about to be changed. Every unit that changes what belongs to a
   * user locks the user first, so that two of them cannot deadlock. On SQLite, no
   * two units run at the same time.
   *
   * @throws NotFoundError
   */
  async lock(
    { db, dialect }: Unit,
    realm: string,
    uniqueId: string,
  ): Promise<UserRow> {
    const row = await inRealm(db, realm)
      .where('unique_id', '=', uniqueId)
      .$if(dialect === 'postgres', (query) => query.forUpdate())
      .executeTakeFirst();
    return named(row, realm, uniqueId);
  }

  /** Finds a user of any realm by the id of the row: for pages, whose URL is signed. */
  async findById(db: Queries, id: string): Promise<User | undefined> {
    const row = await db
      .selectFrom('users')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && (await this.factors.ofUsers(db, [row]))[0];
  }

  /** A row with the factors of its user. @throws NotFoundError if the user was deleted since it was read */
  async withFactors(db: Queries, row: UserRow): Promise<User> {
    const [user] = await this.factors.ofUsers(db, [row]);
    return found(user);
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
    unit: Unit,
    realm: string,
    uniqueId: string,
    changes: UpdateUserDto,
  ): Promise<User> {
    const { db } = unit;
    const before = await this.lock(unit, realm, uniqueId);
    const { id } = before;
    const { email, smsNumber, voiceNumber, resetKey } = changes;
    if (resetKey && changes.unlessEnrolled && before.enrolled === 1)
      throw new ConflictError('The user is enrolled', {
        errorCode: 'user_enrolled',
      });
    const contacts = {
      email,
      sms_number: phone(smsNumber),
      voice_number: phone(voiceNumber),
    };
    const isDisenrolled =
      resetKey &&
      !changes.keepEnrolled &&
      // Otherwise a password alone would be enough to enrol, beside an app in use.
      !(await this.factors.hasSecondApp(db, before));
    const stale: Channel[] = resetKey ? ['email', 'sms', 'voice'] : [];
    if (email !== undefined) stale.push('email');
    if (smsNumber !== undefined) stale.push('sms');
    if (voiceNumber !== undefined) stale.push('voice');
    const row = await db
      .updateTable('users')
      .set({
        // An update needs a column: without a change, the id is set to itself.
        id,
        display_name: changes.displayName,
        meta: changes.meta ? JSON.stringify(changes.meta) : changes.meta,
        ...contacts,
        ...(differs(before, contacts) ? { epoch: randomUUID() } : {}),
        ...(resetKey ? newStanding() : {}),
        ...(isDisenrolled ? { enrolled: 0 } : {}),
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    if (stale.length > 0)
      await db
        .deleteFrom('sent_codes')
        .where('user_id', '=', id)
        .where('channel', 'in', stale)
        .execute();
    const user = named(row, realm, uniqueId);
    if (resetKey) await this.factors.resetFirst(unit, user);
    return await this.withFactors(db, user);
  }

  /** Forgives all failures: the user need not wait. @throws NotFoundError */
  async unlock(unit: Unit, realm: string, uniqueId: string): Promise<User> {
    const { id } = await this.lock(unit, realm, uniqueId);
    const row = await unit.db
      .updateTable('users')
      .set(NO_FAILURES)
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return await this.withFactors(unit.db, row);
  }

  /** Creates a user, in the place of one who has the same `unique_id`. */
  async replace(
    unit: Unit,
    realm: string,
    user: CreateUserDto,
  ): Promise<{ replaced: User | undefined; created: User }> {
    for (;;)
      try {
        const replaced = await this.deleteIfThere(unit, realm, user.uniqueId);
        return { replaced, created: await this.create(unit, realm, user) };
      } catch (error) {
        // Another unit has just created the user: now there is one to replace.
        if (!(error instanceof ConflictError)) throw error;
      }
  }

  private async deleteIfThere(
    unit: Unit,
    realm: string,
    uniqueId: string,
  ): Promise<User | undefined> {
    try {
      return await this.delete(unit, realm, uniqueId);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /** @returns the user as they were. @throws NotFoundError */
  async delete(unit: Unit, realm: string, uniqueId: string): Promise<User> {
    const row = await this.lock(unit, realm, uniqueId);
    const user = await this.withFactors(unit.db, row);
    await unit.db.deleteFrom('users').where('id', '=', row.id).execute();
    return user;
  }
}

const NO_FAILURES = { failures: 0, next_attempt_at: 0, wrong_codes_until: 0 };

/** What a new key sets. */
const newStanding = () => ({ ...NO_FAILURES, epoch: randomUUID() });

/** Whether an address or number changes: what was proven with the old one no longer holds. */
function differs(before: UserRow, contacts: Partial<Contacts>): boolean {
  return (Object.keys(contacts) as (keyof Contacts)[]).some(
    (name) => contacts[name] !== undefined && contacts[name] !== before[name],
  );
}

type Contacts = Pick<UserRow, 'email' | 'sms_number' | 'voice_number'>;

function phone(number: string | null | undefined): string | null | undefined {
  return number ? toE164(number) : number;
}

/**
 * A row under the name that it was asked for. Secrets are bound to that name, and
 * never to one that the database gives: whoever can write to it could otherwise have
 * a secret made for somebody else.
 */
function named(
  row: UserRow | undefined,
  realm: string,
  unique_id: string,
): UserRow {
  return { ...found(row), realm, unique_id };
}

function found<Row extends UserRow>(user: Row | undefined): Row {
  if (user) return user;
  throw new NotFoundError('No such user', { errorCode: 'user_not_found' });
}
