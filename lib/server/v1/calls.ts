import type { ServerResponse } from 'node:http';
import {
  Inject,
  Injectable,
  Logger,
  type StreamableFile,
} from '@nestjs/common';
import { ConflictError } from '../../contract/errors/conflict.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import {
  DATABASE,
  type Database,
  type Queries,
  type Unit,
} from '../store/database.js';
import {
  type AnswerOfUser,
  IdempotencyStore,
  StillPending,
} from '../store/idempotency-store.js';
import { Observer } from '../observability/observer.js';
import type { Call } from './call.decorator.js';
import { streamed, success, type SuccessEnvelope } from './envelope.js';
import type { PagedList } from './paged-list.js';

const POLL_MS = [5, 10, 20, 40];

/**
 * Makes the answer to a repetition after the user of the stored answer was reset,
 * deleted, or changed in an address or number. It may throw.
 */
export type AfterChange = (stored: AnswerOfUser) => unknown;

/** A call that hands a message over between two units of work. */
export interface Sending<Prepared> {
  /** Everything that is decided before. */
  prepare: (unit: Unit) => Promise<Prepared>;
  /** Outside of a unit of work: it may take seconds. */
  handOver: (prepared: Prepared) => Promise<void>;
  /** Undoes `prepare`: the message was surely not handed over. */
  undo: (unit: Unit, prepared: Prepared) => Promise<void>;
  /** Whether an error of `handOver` leaves open whether it happened. */
  isUnknown: (error: unknown) => boolean;
  answerTo: (prepared: Prepared) => unknown;
}

/**
 * Carries out the calls of the API: each once per `Idempotency-Key`, so that
 * after a lost answer nobody is sent a second SMS.
 *
 * Only successes are stored, and the error that says that a message may have been
 * delivered. Any other error means that nothing was done: the repetition is then
 * carried out.
 *
 * A stored answer is valid for the user's epoch: after `reset_key`, a deletion or
 * a change of an address, a repetition gets neither "authenticated" nor a secret,
 * old or new, and nothing is carried out again.
 */
@Injectable()
export class Calls {
  private readonly logger = new Logger('GAuthifyServer');

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly records: IdempotencyStore,
    private readonly observer: Observer,
  ) {}

  /** An answer in the contract's envelope. */
  answer(data: unknown): SuccessEnvelope {
    return success(data, this.now());
  }

  /** A list in the contract's envelope. */
  stream(list: PagedList, response: ServerResponse): StreamableFile {
    return streamed(list, response, this.now());
  }

  /** Reads, all of the same moment, without a unit of work. */
  read<Result>(work: (db: Queries) => Promise<Result>): Promise<Result> {
    return this.database.snapshot(work);
  }

  /** Carries out a call in one unit of work, together with its record. */
  async once<Answer>(
    { keyed }: Call,
    work: (unit: Unit) => Promise<Answer>,
    afterChange: AfterChange = userChanged,
  ): Promise<SuccessEnvelope> {
    if (!keyed) return this.answer(await this.database.unit(work));
    const done = await this.untilAnswered(() =>
      this.database.unit(async (unit) => {
        const stored = await this.records.claim(unit.db, keyed);
        if (stored) return { stored: stored.answer };
        const answer = await work(unit);
        await this.records.putAnswer(unit.db, keyed, answer);
        return { answer };
      }),
    );
    return 'stored' in done
      ? await this.repeat(keyed.realm, done.stored, afterChange)
      : this.answer(done.answer);
  }

  /** Carries out a call that sends a message: the claim of the key is stored before, the answer after. */
  async send<Prepared>(
    { keyed }: Call,
    { prepare, handOver, undo, isUnknown, answerTo }: Sending<Prepared>,
  ): Promise<SuccessEnvelope> {
    const begun = await this.untilAnswered(() =>
      this.database.unit(async (unit) => {
        const stored = keyed && (await this.records.claim(unit.db, keyed));
        if (stored) return { stored: stored.answer };
        return { prepared: await prepare(unit) };
      }),
    );
    if ('stored' in begun)
      return await this.repeat(keyed!.realm, begun.stored, userChanged);
    const { prepared } = begun;
    try {
      await handOver(prepared);
    } catch (error) {
      await this.orLog(async (unit) => {
        if (!isUnknown(error)) await undo(unit, prepared);
        if (!keyed) return;
        if (isUnknown(error))
          await this.records.putError(unit.db, keyed, error as ServerError);
        else await this.records.release(unit.db, keyed);
      });
      throw error;
    }
    const answer = answerTo(prepared);
    // The message is on its way: the caller gets the answer even if it cannot be stored.
    if (keyed)
      await this.orLog((unit) =>
        this.records.putAnswer(unit.db, keyed, answer),
      );
    return this.answer(answer);
  }

  /** The answer to a repetition. */
  async repeat(
    realm: string,
    stored: unknown,
    afterChange: AfterChange,
  ): Promise<SuccessEnvelope> {
    this.observer.replay();
    const isCurrent = await this.records.isCurrent(
      this.database.read,
      realm,
      stored,
    );
    return this.answer(
      isCurrent ? stored : afterChange(stored as AnswerOfUser),
    );
  }

  /** Waits a while for a first request that is handing its message over. */
  private async untilAnswered<Done>(
    attempt: () => Promise<Done>,
  ): Promise<Done> {
    const until = performance.now() + this.settings.security.idempotencyWaitMs;
    for (let turn = 0; ; turn++)
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof StillPending) || performance.now() >= until)
          throw error;
        await new Promise((resolve) =>
          setTimeout(resolve, POLL_MS[turn] ?? POLL_MS.at(-1)),
        );
      }
  }

  private async orLog(work: (unit: Unit) => Promise<void>): Promise<void> {
    try {
      await this.database.unit(work);
    } catch (error) {
      this.logger.error(
        `The end of a message could not be stored: ${(error as Error).name}`,
      );
    }
  }
}

function userChanged(): never {
  throw new ConflictError(
    'The request was carried out, but the user was reset, changed or deleted since: get the user to see their current state',
    { errorCode: 'user_changed' },
  );
}
