import type { Clock } from '../settings/clock.js';
import type {
  IdempotencyStore,
  KeyedRequest,
} from '../store/idempotency-store.js';
import type { IdempotencyRow } from '../store/schema.js';
import type { AcceptedCode, Check, Settled } from './check.js';
import type { CheckQueries } from './check-queries.js';
import type { Queries } from '../store/database.js';

type MaybeSettled = Settled | undefined;

/** The Idempotency-Keys of checks. */
export class CheckRecords {
  constructor(
    private readonly records: IdempotencyStore,
    private readonly now: Clock,
  ) {}

  /**
   * Claims the keys of checks.
   *
   * @returns for each check, the answer to an earlier request with its key, or why there is none;
   *   `undefined` if the check is to be decided
   */
  async claim(
    queries: CheckQueries,
    checks: readonly Check[],
  ): Promise<MaybeSettled[]> {
    const settled = new Array<MaybeSettled>(checks.length);
    const keyed = checks.flatMap(({ once }, index) =>
      once ? [{ request: once.request, index }] : [],
    );
    const rows = await queries.claim(
      keyed.map(({ request }) =>
        this.records.rowOf(request, { pending: true }),
      ),
      this.now(),
    );
    keyed.forEach(({ request, index }, i) => {
      const row = rows[i];
      if (row) settled[index] = this.read(request, row);
    });
    return settled;
  }

  /** The answers to earlier requests with the keys of checks; `undefined` where there is none. */
  async answered(
    read: Queries,
    checks: readonly Check[],
  ): Promise<MaybeSettled[]> {
    const requests = checks.map(({ once }) => once?.request);
    const rows = await read
      .selectFrom('idempotency')
      .selectAll()
      .where(
        'id',
        'in',
        requests.flatMap((request) => request?.id ?? []),
      )
      .where('expires_at', '>', this.now())
      .execute();
    const byId = new Map(rows.map((row) => [row.id, row]));
    return requests.map((request) => {
      const row = request && byId.get(request.id);
      return row && this.read(request, row);
    });
  }

  /** Stores the answers of checks under the keys that they claimed. */
  async putAnswers(
    queries: CheckQueries,
    decided: readonly { check: Check; accepted: AcceptedCode | null }[],
  ): Promise<void> {
    await queries.putAnswers(
      decided.flatMap(({ check: { once }, accepted }) =>
        once
          ? [
              this.records.rowOf(once.request, {
                answer: once.answerTo(accepted),
              }),
            ]
          : [],
      ),
    );
  }

  private read(request: KeyedRequest, row: IdempotencyRow): Settled {
    try {
      return { outcome: { stored: this.records.read(request, row) } };
    } catch (error) {
      return { error };
    }
  }
}
