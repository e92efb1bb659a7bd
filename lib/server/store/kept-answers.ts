import { createHash, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { Keyring } from './keyring.js';
import { DATABASE, type Database } from './schema.js';
import { SERVER_SETTINGS, type ServerSettings } from '../settings/settings.js';

const PURGE_EVERY_MS = 30_000;
/** Rows a request clears away at the most: SQLite holds up all others meanwhile. */
const PURGE_ROWS = 500;
const POLL_MS = [5, 10, 20, 40];

/** A request with a key. */
export interface KeyedRequest {
  realm: string;
  key: string;
  /** All that makes it this request: method, path, parameters. */
  content: string;
}

/** How a request ended, as far as it is kept. */
export type Outcome =
  { answer: unknown } | { failure: { message: string; errorCode: string } };

/** A kept answer that grants something of a user. */
export interface AnswerOfUser {
  unique_id: string;
  epoch: string;
}

/** The right to act on a request, which one of all its repetitions gets. */
export interface Claim {
  id: string;
  claim: string;
}

/**
 * Answers by `Idempotency-Key`, in the database and so for all instances.
 *
 * One statement claims a key; whoever got it acts, and stores what it answers.
 * A claim whose holder dies in between stays without an answer: the request may
 * have been carried out, so its repetitions are errors until the key expires,
 * rather than a second SMS. The caller who wants a second one makes a new call,
 * which has a key of its own.
 */
@Injectable()
export class KeptAnswers {
  private purgedAt = 0;
  private scopeId?: Promise<string>;

  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /** Names the database: servers that say the same one know each other's keys. */
  scope(): Promise<string> {
    this.scopeId ??= this.db
      .selectFrom('idempotency_scope')
      .select('id')
      .executeTakeFirstOrThrow()
      .then(
        ({ id }) => id,
        (error: unknown) => {
          this.scopeId = undefined;
          throw error;
        },
      );
    return this.scopeId;
  }

  /**
   * The right to act, or what was answered to the same request before.
   *
   * @param beforeClaim runs where the key has no answer and no claim yet, before anything is written;
   *   what it throws is the answer, and nothing is kept
   * @throws ParameterError where the key was used for another request
   * @throws ServerError where the first request has no answer yet, or ended in one that was kept
   */
  async claimOrAnswer(
    { realm, key, content }: KeyedRequest,
    beforeClaim?: () => Promise<void>,
  ): Promise<Claim | { answer: unknown }> {
    // A realm has no line break in it: no pair of realm and key is another's.
    const id = createHash('sha256').update(`${realm}\n${key}`).digest('hex');
    if (beforeClaim && !(await this.isLive(id))) await beforeClaim();
    await this.purge();
    const claim = await this.claim(id, content);
    if (claim) return claim;
    const until = performance.now() + this.settings.security.idempotencyWaitMs;
    for (let turn = 0; ; turn++) {
      const row = await this.db
        .selectFrom('idempotency')
        .select(['fingerprint', 'answer'])
        .where('id', '=', id)
        .executeTakeFirst();
      // The first failed without effect: this one is the first now.
      const mine = row ? undefined : await this.claim(id, content);
      if (mine) return mine;
      if (row && !this.keyring.matches(row.fingerprint, content))
        throw new ParameterError(
          'The Idempotency-Key was used for another request: give each request a key of its own',
          { errorCode: 'idempotency_key_reused' },
        );
      if (row && row.answer !== null) {
        const outcome = this.open(id, row.answer);
        if ('answer' in outcome) return outcome;
        const { message, errorCode } = outcome.failure;
        throw new ServerError(message, { errorCode });
      }
      if (performance.now() >= until)
        throw new ServerError(
          'The first request with this Idempotency-Key has no answer yet',
          { errorCode: 'request_in_progress' },
        );
      await new Promise((resolve) =>
        setTimeout(resolve, POLL_MS[turn] ?? POLL_MS.at(-1)),
      );
    }
  }

  /**
   * Whether an answer still is of its user as they are now. One that carries no
   * epoch is of no user, or grants nothing.
   */
  async isCurrent(realm: string, answer: unknown): Promise<boolean> {
    const { unique_id, epoch } = (answer ?? {}) as Partial<AnswerOfUser>;
    if (unique_id === undefined || epoch === undefined) return true;
    const user = await this.db
      .selectFrom('users')
      .select('id')
      .where('realm', '=', realm)
      .where('unique_id', '=', unique_id)
      .where('epoch', '=', epoch)
      .executeTakeFirst();
    return user !== undefined;
  }

  /** Keeps what came of it. */
  async keep({ id, claim }: Claim, outcome: Outcome): Promise<void> {
    const text = JSON.stringify(outcome);
    await this.db
      .updateTable('idempotency')
      // It holds the user's secret and a usable code.
      .set({ answer: this.keyring.seal(Buffer.from(text), place(id)) })
      .where('id', '=', id)
      .where('claim', '=', claim)
      .execute();
  }

  /** Gives the key back after a request that did nothing. */
  async release({ id, claim }: Claim): Promise<void> {
    await this.db
      .deleteFrom('idempotency')
      .where('id', '=', id)
      .where('claim', '=', claim)
      .execute();
  }

  private async isLive(id: string): Promise<boolean> {
    const row = await this.db
      .selectFrom('idempotency')
      .select('id')
      .where('id', '=', id)
      .where('expires_at', '>', this.now())
      .executeTakeFirst();
    return row !== undefined;
  }

  private async claim(id: string, content: string): Promise<Claim | undefined> {
    const now = this.now();
    const claim = randomUUID();
    const values = {
      fingerprint: this.keyring.hash(content),
      claim,
      answer: null,
      expires_at: now + this.settings.security.idempotencyTtlSeconds * 1000,
    };
    const row = await this.db
      .insertInto('idempotency')
      .values({ id, ...values })
      .onConflict((conflict) =>
        conflict
          .column('id')
          .doUpdateSet(values)
          .where('idempotency.expires_at', '<=', now),
      )
      .returning('id')
      .executeTakeFirst();
    return row && { id, claim };
  }

  private async purge(): Promise<void> {
    const now = this.now();
    if (now - this.purgedAt < PURGE_EVERY_MS) return;
    this.purgedAt = now;
    const { numDeletedRows } = await this.db
      .deleteFrom('idempotency')
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('idempotency')
          .select('id')
          .where('expires_at', '<=', now)
          .limit(PURGE_ROWS),
      )
      .executeTakeFirst();
    // There may be more, for the next request.
    if (numDeletedRows >= PURGE_ROWS) this.purgedAt = 0;
  }

  private open(id: string, sealed: string): Outcome {
    const text = this.keyring.open(sealed, place(id)).toString();
    return JSON.parse(text) as Outcome;
  }
}

/** Associated data: an answer copied to another key does not open. */
const place = (id: string) => `idempotency\n${id}\nanswer`;
