import { createHash, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import { Keyring } from './keyring.js';
import { DATABASE, type Database } from './schema.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';

const PURGE_EVERY_MS = 30_000;
/** Expired rows that one request deletes at most: SQLite blocks all other requests meanwhile. */
const PURGE_ROWS = 500;
const POLL_MS = [5, 10, 20, 40];

/** A request with an `Idempotency-Key`. */
export interface KeyedRequest {
  realm: string;
  key: string;
  /** Identifies the request: method, path and parameters. */
  content: string;
}

/** How a request ended. */
type Outcome =
  { answer: unknown } | { failure: { message: string; errorCode: string } };

/** A stored answer that is valid for one epoch of a user. */
export interface AnswerOfUser {
  unique_id: string;
  epoch: string;
}

/** The right to carry out a request; of all its repetitions, one gets it. */
export interface Claim {
  id: string;
  claim: string;
}

/**
 * Stores answers by `Idempotency-Key`, in the database and so for all instances.
 *
 * One statement claims a key; the request that claimed it is carried out, and
 * its answer is stored. If the process dies in between, the claim stays without
 * an answer: the request may have been carried out, so its repetitions are
 * errors until the key expires, rather than a second SMS. A caller who wants a
 * second message makes a new call, with a new key.
 */
@Injectable()
export class IdempotencyStore {
  private purgedAt = 0;
  private scopeId?: Promise<string>;

  constructor(
    @Inject(DATABASE) private readonly db: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /** Identifies the database: servers with the same scope share their keys. */
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
   * Claims the key of a request, or returns the answer to the same request.
   *
   * @param beforeClaim runs before anything is written, if the key has neither an answer nor a claim;
   *   if it throws, nothing is written
   * @throws ParameterError if the key was used for another request
   * @throws ServerError if the first request has no answer yet, or its answer is a stored error
   */
  async claimOrAnswer(
    { realm, key, content }: KeyedRequest,
    beforeClaim?: () => Promise<void>,
  ): Promise<Claim | { answer: unknown }> {
    // A realm contains no line break: each pair of realm and key has its own id.
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
      // The first request failed without effect: this one takes its place.
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
   * Whether the user of an answer still has the epoch in it. An answer without an
   * epoch is always current.
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

  /** Stores the answer to a request. */
  async putAnswer(claim: Claim, answer: unknown): Promise<void> {
    await this.put(claim, { answer });
  }

  /** Stores the error of a request that must not be carried out again. */
  async putError(
    claim: Claim,
    { message, errorCode }: ServerError,
  ): Promise<void> {
    await this.put(claim, { failure: { message, errorCode } });
  }

  private async put({ id, claim }: Claim, outcome: Outcome): Promise<void> {
    const text = JSON.stringify(outcome);
    await this.db
      .updateTable('idempotency')
      // Sealed: it holds the user's secret and a usable code.
      .set({ answer: this.keyring.seal(Buffer.from(text), place(id)) })
      .where('id', '=', id)
      .where('claim', '=', claim)
      .execute();
  }

  /** Releases the key of a request that had no effect. */
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
    // There may be more: the next request continues.
    if (numDeletedRows >= PURGE_ROWS) this.purgedAt = 0;
  }

  private open(id: string, sealed: string): Outcome {
    const text = this.keyring.open(sealed, place(id)).toString();
    return JSON.parse(text) as Outcome;
  }
}

/** Associated data: an answer copied to another key does not open. */
const place = (id: string) => `idempotency\n${id}\nanswer`;
