import type * as Prometheus from 'prom-client';
import type { Channel } from '../../contract/channel.js';
import type {
  MetricsOptions,
  MetricsRegistry,
  RequestReport,
} from '../settings/observability-options.js';
import { loadPackage } from '../settings/load-package.js';
import type { Database } from '../store/database.js';

/** How a check ended; `failed` is a failure of the server. */
export type CheckResult =
  'accepted' | 'wrong' | 'repeated' | 'refused' | 'not_found' | 'failed';

/** How a send ended; `refused` by a limit, `unknown` if it may have been delivered. */
export type SendResult = 'sent' | 'failed' | 'unknown' | 'refused';

const SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64];

/**
 * Metrics for Prometheus. No label has a value that a caller chose; realms are
 * the operator's, and a label only if `realms` is set.
 */
export class Metrics {
  readonly registry: MetricsRegistry;
  private readonly requests: Prometheus.Histogram;
  private readonly errors: Prometheus.Counter;
  private readonly checks: Prometheus.Counter;
  private readonly batches: Prometheus.Histogram;
  private readonly sends: Prometheus.Counter;
  private readonly handOvers: Prometheus.Histogram;
  private readonly replays: Prometheus.Counter;

  // Private, so that the published declarations do not import `prom-client`.
  private constructor(
    { Counter, Gauge, Histogram, ...prometheus }: typeof Prometheus,
    private readonly options: MetricsOptions,
    database: Database,
  ) {
    const registry =
      (options.registry as Prometheus.Registry | undefined) ??
      new prometheus.Registry();
    this.registry = registry;
    if (!options.registry)
      prometheus.collectDefaultMetrics({ register: registry });
    const registers = [registry];
    const realm = options.realms ? ['realm'] : [];
    this.requests = new Histogram({
      name: 'gauthify_http_request_duration_seconds',
      help: 'Time from the headers of a request to the last byte of the answer',
      labelNames: ['method', 'route', 'status', ...realm],
      buckets: SECONDS,
      registers,
    });
    this.errors = new Counter({
      name: 'gauthify_errors_total',
      help: 'Answers with an error, by its error_code',
      labelNames: ['code', ...realm],
      registers,
    });
    this.checks = new Counter({
      name: 'gauthify_checks_total',
      help: 'Checks of codes, by outcome and by the kind of code that was right',
      labelNames: ['outcome', 'method', ...realm],
      registers,
    });
    this.batches = new Histogram({
      name: 'gauthify_check_batch_size',
      help: 'Checks that were decided together, in one commit',
      buckets: BATCH_SIZES,
      registers,
    });
    this.sends = new Counter({
      name: 'gauthify_sends_total',
      help: 'Messages with codes, by channel and outcome',
      labelNames: ['channel', 'outcome', ...realm],
      registers,
    });
    this.handOvers = new Histogram({
      name: 'gauthify_send_duration_seconds',
      help: 'Time to hand a message over, whether that succeeded or not',
      labelNames: ['channel'],
      buckets: SECONDS,
      registers,
    });
    this.replays = new Counter({
      name: 'gauthify_replays_total',
      help: 'Answers that were kept under an Idempotency-Key and given again',
      registers,
    });
    new Gauge({
      name: 'gauthify_database_waiting',
      help: 'Units of work that wait for the database',
      registers,
      collect() {
        this.set(database.load().waiting);
      },
    });
    if (database.load().connections)
      new Gauge({
        name: 'gauthify_database_connections',
        help: 'Connections to PostgreSQL, by state',
        labelNames: ['state'],
        registers,
        collect() {
          const { used, idle } = database.load().connections!;
          this.set({ state: 'used' }, used);
          this.set({ state: 'idle' }, idle);
        },
      });
  }

  /** @throws StartError if `prom-client` is not installed */
  static async load(
    options: MetricsOptions,
    database: Database,
  ): Promise<Metrics> {
    return new Metrics(await loadPrometheus(), options, database);
  }

  request(report: RequestReport): void {
    const { method, route, status, errorCode, durationMs, realm } = report;
    const labels = { method, route, status: `${Math.floor(status / 100)}xx` };
    this.requests.observe(this.withRealm(labels, realm), durationMs / 1000);
    if (errorCode !== undefined)
      this.errors.inc(this.withRealm({ code: errorCode }, realm));
  }

  check(outcome: CheckResult, method: string | undefined, realm: string): void {
    this.checks.inc(
      this.withRealm({ outcome, method: method ?? 'none' }, realm),
    );
  }

  batch(size: number): void {
    this.batches.observe(size);
  }

  send(channel: Channel, outcome: SendResult, realm: string): void {
    this.sends.inc(this.withRealm({ channel, outcome }, realm));
  }

  handOver(channel: Channel, durationMs: number): void {
    this.handOvers.observe({ channel }, durationMs / 1000);
  }

  replay(): void {
    this.replays.inc();
  }

  private withRealm(
    labels: Record<string, string>,
    realm: string | undefined,
  ): Record<string, string> {
    return this.options.realms ? { ...labels, realm: realm ?? 'none' } : labels;
  }
}

/** @throws StartError if the package is missing */
export const loadPrometheus = (): Promise<typeof Prometheus> =>
  loadPackage(() => import('prom-client'), 'prom-client', 'Option metrics');
