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
import type { AuditEvent } from '../audit/audit-event.js';
import { AuditLog } from '../audit/audit-log.js';
import { streamed, success, type SuccessEnvelope } from './envelope.js';
import type { PagedList } from './paged-list.js';

const POLL_MS = [5, 10, 20, 40];

/**
 * Makes the answer to a repetition after the user of the stored answer was reset,
 * deleted, or changed in an address or number. It may throw.
 */
export type AfterChange = (stored: AnswerOfUser) => unknown;

/** Notes for the audit log what a unit of work does. */
export type Note = (event: AuditEvent) => void;

/** A call that hands a message over between two units of work. */
export interface Sending<Prepared> {
  /** Everything that is decided before. */
  prepare: (unit: Unit) => Promise<Prepared>;
  /** For the audit log; `.failed` or `.unknown` is added if that happens. */
  eventOf: (prepared: Prepared) => AuditEvent & { action: 'send' };
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
    private readonly audit: AuditLog,
  ) {}

  /** An answer in the contract's envelope. */
  answer({ origin }: Call, data: unknown): SuccessEnvelope {
    return success(data, this.now(), origin.requestId);
  }

  /** A list in the contract's envelope. */
  stream(
    { origin }: Call,
    list: PagedList,
    response: ServerResponse,
  ): StreamableFile {
    return streamed(list, response, this.now(), origin.requestId);
  }

  /** Reads, all of the same moment, without a unit of work. */
  read<Result>(work: (db: Queries) => Promise<Result>): Promise<Result> {
    return this.database.snapshot(work);
  }

  /**
   * Carries out a call in one unit of work, together with its record and what the
   * work notes for the audit log.
   */
  async once<Answer>(
    call: Call,
    work: (unit: Unit, note: Note) => Promise<Answer>,
    afterChange: AfterChange = userChanged,
  ): Promise<SuccessEnvelope> {
    const { keyed } = call;
    const done = await this.untilAnswered(() =>
      this.database.unit(async (unit) => {
        const stored = keyed && (await this.records.claim(unit.db, keyed));
        if (stored) return { stored: stored.answer };
        const events: AuditEvent[] = [];
        const answer = await work(unit, (event) => events.push(event));
        if (keyed) await this.records.putAnswer(unit.db, keyed, answer);
        await this.log(unit, call, events);
        return { answer };
      }),
    );
    return 'stored' in done
      ? await this.repeat(call, done.stored, afterChange)
      : this.answer(call, done.answer);
  }

  /** Carries out a call that sends a message: the claim of the key is stored before, the answer after. */
  async send<Prepared>(
    call: Call,
    sending: Sending<Prepared>,
  ): Promise<SuccessEnvelope> {
    const { keyed } = call;
    const begun = await this.untilAnswered(() =>
      this.database.unit(async (unit) => {
        const stored = keyed && (await this.records.claim(unit.db, keyed));
        if (stored) return { stored: stored.answer };
        const prepared = await sending.prepare(unit);
        await this.log(unit, call, [sending.eventOf(prepared)]);
        return { prepared };
      }),
    );
    if ('stored' in begun)
      return await this.repeat(call, begun.stored, userChanged);
    const { prepared } = begun;
    try {
      await sending.handOver(prepared);
    } catch (error) {
      await this.notSent(call, sending, prepared, error);
      throw error;
    }
    const answer = sending.answerTo(prepared);
    // The message is on its way: the caller gets the answer even if it cannot be stored.
    if (keyed)
      await this.orLog((unit) =>
        this.records.putAnswer(unit.db, keyed, answer),
      );
    return this.answer(call, answer);
  }

  /** Stores that a message was not sent, or may not have been. */
  private async notSent<Prepared>(
    call: Call,
    { undo, isUnknown, eventOf }: Sending<Prepared>,
    prepared: Prepared,
    error: unknown,
  ): Promise<void> {
    const { keyed } = call;
    const action = isUnknown(error) ? 'send.unknown' : 'send.failed';
    await this.orLog(async (unit) => {
      if (!isUnknown(error)) await undo(unit, prepared);
      if (keyed && isUnknown(error))
        await this.records.putError(unit.db, keyed, error as ServerError);
      else if (keyed) await this.records.release(unit.db, keyed);
      await this.log(unit, call, [{ ...eventOf(prepared), action }]);
    });
  }

  /** The answer to a repetition. */
  async repeat(
    call: Call,
    stored: unknown,
    afterChange: AfterChange,
  ): Promise<SuccessEnvelope> {
    this.observer.replay();
    const isCurrent = await this.records.isCurrent(
      this.database.read,
      call.realm,
      stored,
    );
    return this.answer(
      call,
      isCurrent ? stored : afterChange(stored as AnswerOfUser),
    );
  }

  /** At the end of a unit: the chain of the realm is locked last. */
  private async log(
    unit: Unit,
    { realm, origin }: Call,
    events: readonly AuditEvent[],
  ): Promise<void> {
    await this.audit.append(
      unit,
      events.map((event) => ({ ...event, realm, origin })),
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
