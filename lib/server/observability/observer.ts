import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import type { Channel } from '../../contract/channel.js';
import type { AuthMethod } from '../../contract/dto/check-result.dto.js';
import { DeliveryUnknownError } from '../settings/sender.interface.js';
import type { ServerSettings } from '../settings/server.options.js';
import type { Database } from '../store/database.js';
import { type CheckResult, Metrics } from './metrics.js';
import { Tracing } from './tracing.js';

/** How a check ended, as far as it is counted. */
type CheckOutcome =
  { accepted: { method: AuthMethod } | null } | { stored: unknown };

/**
 * Counts and traces what the server decides and sends; which requests they belong
 * to is `RequestObserver`'s. Each method costs a comparison if nothing observes.
 */
export class Observer {
  private constructor(
    /** `undefined` unless the option `metrics` is set. */
    readonly metrics: Metrics | undefined,
    /** `undefined` unless OpenTelemetry is installed. */
    readonly tracing: Tracing | undefined,
  ) {}

  /** @throws StartError if metrics are asked for without their package */
  static async load(
    { metrics }: ServerSettings,
    database: Database,
  ): Promise<Observer> {
    return new Observer(
      metrics && (await Metrics.load(metrics, database)),
      await Tracing.load(),
    );
  }

  /** A check, from its arrival to its commit. @returns the same promise */
  check<Outcome extends CheckOutcome>(
    realm: string,
    decided: Promise<Outcome>,
  ): Promise<Outcome> {
    const { metrics, tracing } = this;
    const end = tracing?.begin('gauthify.check');
    if (metrics)
      decided.then(
        (outcome) => metrics.check(resultOf(outcome), methodOf(outcome), realm),
        (error: unknown) => metrics.check(problemOf(error), undefined, realm),
      );
    if (end) decided.then(() => end(), end);
    return decided;
  }

  /** Checks were decided together. */
  batch(size: number): void {
    this.metrics?.batch(size);
  }

  /** Hands a message over. */
  async handOver(
    { channel, realm }: { channel: Channel; realm: string },
    send: () => Promise<void>,
  ): Promise<void> {
    const { metrics, tracing } = this;
    const startedAt = performance.now();
    try {
      await (tracing
        ? tracing.within('gauthify.send', { 'gauthify.channel': channel }, send)
        : send());
      metrics?.send(channel, 'sent', realm);
    } catch (error) {
      const isUnknown = error instanceof DeliveryUnknownError;
      metrics?.send(channel, isUnknown ? 'unknown' : 'failed', realm);
      throw error;
    } finally {
      metrics?.handOver(channel, performance.now() - startedAt);
    }
  }

  /** Counts a send that a limit refuses. @returns the same promise */
  send<Result>(
    { channel, realm }: { channel: Channel; realm: string },
    sent: Promise<Result>,
  ): Promise<Result> {
    const { metrics } = this;
    if (metrics)
      sent.catch((error: unknown) => {
        if (problemOf(error) === 'refused')
          metrics.send(channel, 'refused', realm);
      });
    return sent;
  }

  /** A kept answer was given again. */
  replay(): void {
    this.metrics?.replay();
  }
}

function resultOf(outcome: CheckOutcome): CheckResult {
  if ('stored' in outcome) return 'repeated';
  return outcome.accepted ? 'accepted' : 'wrong';
}

function methodOf(outcome: CheckOutcome): AuthMethod | undefined {
  return 'accepted' in outcome ? outcome.accepted?.method : undefined;
}

function problemOf(error: unknown): CheckResult {
  const status = isGAuthifyError(error) ? error.getStatus() : 500;
  if (status === 402) return 'refused';
  return status === 404 ? 'not_found' : 'failed';
}
