import { Inject, Injectable } from '@nestjs/common';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import { DATABASE, type Database, type Queries } from './database.js';
import { Keyring } from './keyring.js';
import { sha256 } from './random.js';
import type { IdempotencyRow } from './schema.js';

const PURGE_EVERY_MS = 30_000;
/** Expired rows that are deleted at a time. */
const PURGE_ROWS = 500;

/** Injection token of the id of the database: servers with the same one share their keys. */
export const IDEMPOTENCY_SCOPE = Symbol('GAUTHIFY_IDEMPOTENCY_SCOPE');

/** Reads the value of {@link IDEMPOTENCY_SCOPE}. */
export async function readScope({ read }: Database): Promise<string> {
  const { id } = await read
    .selectFrom('idempotency_scope')
    .select('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** A request with an `Idempotency-Key`. */
export interface KeyedRequest {
  /** Identifies realm and key: {@link IdempotencyStore.idOf}. */
  id: string;
  realm: string;
  /** Identifies the request: method, path and parameters. */
  content: string;
}

/** How a request ended; `pending` if a message of it is being handed over. */
type Outcome =
  | { answer: unknown }
  | { failure: { message: string; errorCode: string } }
  | { pending: true };

/** A stored answer that is valid for one epoch of a user. */
export interface AnswerOfUser {
  unique_id: string;
  epoch: string;
}

/** The first request with this key is still handing a message over. */
export class StillPending extends ServerError {
  constructor() {
    super('The first request with this Idempotency-Key has no answer yet', {
      errorCode: 'request_in_progress',
    });
  }
}

/**
 * Stores answers by `Idempotency-Key`, in the database and so for all instances.
 *
 * The record of a request is written in the unit of work that carries the
 * request out: either both exist or neither. Only a request that sends a message
 * stores its record before, as pending. If the process dies in between, the
 * message may have been sent, so repetitions are errors until the key expires,
 * rather than a second SMS. A caller who wants a second message makes a new call,
 * with a new key.
 */
@Injectable()
export class IdempotencyStore {
  private purgedAt = 0;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /** The id of a realm's key. A realm contains no line break: each pair has its own id. */
  static idOf(realm: string, key: string): string {
    return sha256(`${realm}\n${key}`);
  }

  /**
   * Claims the key of a request, or reads the answer to the same request. On
   * PostgreSQL, waits for another unit of work with the same key.
   *
   * @returns `undefined` if the request is to be carried out
   * @throws what {@link read} throws
   */
  async claim(
    db: Queries,
    request: KeyedRequest,
  ): Promise<{ answer: unknown } | undefined> {
    const now = this.now();
    const row = this.rowOf(request, { pending: true });
    const claimed = await db
      .insertInto('idempotency')
      .values(row)
      .onConflict((conflict) =>
        conflict
          .column('id')
          .doUpdateSet(row)
          .where('idempotency.expires_at', '<=', now),
      )
      .returning('id')
      .executeTakeFirst();
    if (claimed) return undefined;
    const stored = await db
      .selectFrom('idempotency')
      .selectAll()
      .where('id', '=', request.id)
      .executeTakeFirstOrThrow();
    return { answer: this.read(request, stored) };
  }

  /**
   * The stored answer to a request.
   *
   * @throws ParameterError if the key was used for another request
   * @throws ServerError if the stored answer is an error
   * @throws StillPending if there is no answer yet
   */
  read({ id, content }: KeyedRequest, row: IdempotencyRow): unknown {
    if (!this.keyring.matches(row.fingerprint, content))
      throw new ParameterError(
        'The Idempotency-Key was used for another request: give each request a key of its own',
        { errorCode: 'idempotency_key_reused' },
      );
    if (row.answer === null) throw new StillPending();
    const text = this.keyring.open(row.answer, answerPlace(id)).toString();
    const outcome = JSON.parse(text) as Exclude<Outcome, { pending: true }>;
    if ('answer' in outcome) return outcome.answer;
    const { message, errorCode } = outcome.failure;
    throw new ServerError(message, { errorCode });
  }

  /** The record of a request. */
  rowOf({ id, content }: KeyedRequest, outcome: Outcome): IdempotencyRow {
    this.purge();
    const { keyring, settings } = this;
    return {
      id,
      // When it is read: of the claim and the answer of a check, one stores it.
      get fingerprint() {
        return keyring.hash(content);
      },
      claim: '',
      answer:
        'pending' in outcome
          ? null
          : // Sealed: it holds the user's secret and a usable code.
            keyring.seal(Buffer.from(JSON.stringify(outcome)), answerPlace(id)),
      expires_at: this.now() + settings.security.idempotencyTtlSeconds * 1000,
    };
  }

  /** Stores the answer of a request that was claimed. */
  async putAnswer(
    db: Queries,
    request: KeyedRequest,
    answer: unknown,
  ): Promise<void> {
    await this.put(db, request, { answer });
  }

  /** Stores the error of a request that must not be carried out again. */
  async putError(
    db: Queries,
    request: KeyedRequest,
    { message, errorCode }: ServerError,
  ): Promise<void> {
    await this.put(db, request, { failure: { message, errorCode } });
  }

  /** Releases the key of a request that had no effect. */
  async release(db: Queries, { id }: KeyedRequest): Promise<void> {
    await db
      .deleteFrom('idempotency')
      .where('id', '=', id)
      .where('answer', 'is', null)
      .execute();
  }

  /**
   * Whether the user of an answer still has the epoch in it. An answer without an
   * epoch is always current.
   */
  async isCurrent(
    db: Queries,
    realm: string,
    answer: unknown,
  ): Promise<boolean> {
    const { unique_id, epoch } = (answer ?? {}) as Partial<AnswerOfUser>;
    if (unique_id === undefined || epoch === undefined) return true;
    const user = await db
      .selectFrom('users')
      .select('id')
      .where('realm', '=', realm)
      .where('unique_id', '=', unique_id)
      .where('epoch', '=', epoch)
      .executeTakeFirst();
    return user !== undefined;
  }

  private async put(
    db: Queries,
    request: KeyedRequest,
    outcome: Outcome,
  ): Promise<void> {
    const { answer } = this.rowOf(request, outcome);
    await db
      .updateTable('idempotency')
      .set({ answer })
      .where('id', '=', request.id)
      .where('answer', 'is', null)
      .execute();
  }

  /** Deletes expired records now and then, in a unit of its own. */
  private purge(): void {
    const now = this.now();
    if (now - this.purgedAt < PURGE_EVERY_MS) return;
    this.purgedAt = now;
    void this.database
      .unit(({ db }) =>
        db
          .deleteFrom('idempotency')
          .where('id', 'in', (eb) =>
            eb
              .selectFrom('idempotency')
              .select('id')
              .where('expires_at', '<=', now)
              .limit(PURGE_ROWS),
          )
          .executeTakeFirst(),
      )
      .then(({ numDeletedRows }) => {
        // There may be more: the next request continues.
        if (numDeletedRows >= PURGE_ROWS) this.purgedAt = 0;
      })
      // The next request tries again in a while.
      .catch(() => undefined);
  }
}

/** Associated data: an answer copied to another key does not open. */
export const answerPlace = (id: string) => `idempotency\n${id}\nanswer`;
