import type * as Api from '@opentelemetry/api';
import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import type { Verdict } from './judge-answer.js';
import { VERSION } from './version.js';
import { templateOf, type WireCall } from './wire-call.js';

/** How a call ended that was unsubscribed: neither well nor with an error. */
export const CANCELLED = Symbol('cancelled');

/** A call that is watched, from subscription to its end. */
export interface ObservedCall {
  /** Does its work as part of it: the spans of an instrumented HTTP client are then its children. */
  run<T>(work: () => T): T;
  /** An attempt of it ended. */
  attempted(url: string, verdict: Verdict, status?: number): void;
  /** It ended: well, with an error, or {@link CANCELLED}. Only the first counts. */
  end(error?: unknown): void;
}

/**
 * Spans and a histogram of durations for OpenTelemetry, where the application
 * has `@opentelemetry/api`. Without whom a call is about: a path has its
 * placeholder, and no parameter is told.
 */
export class Telemetry {
  private readonly tracer?: Api.Tracer;
  private readonly duration?: Api.Histogram;

  // Private, and so without types in the published declarations: applications
  // that check their libraries need not have `@opentelemetry/api`.
  private constructor(private readonly api?: typeof Api) {
    this.tracer = api?.trace.getTracer('nestjs-gauthify', VERSION);
    this.duration = api?.metrics
      .getMeter('nestjs-gauthify', VERSION)
      .createHistogram('gauthify.client.call.duration', {
        description: 'Duration of calls of GAuthify, all attempts together',
        unit: 's',
      });
  }

  /** With OpenTelemetry where it is installed. */
  static async load(): Promise<Telemetry> {
    try {
      return new Telemetry(await import('@opentelemetry/api'));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
        return new Telemetry();
      throw error;
    }
  }

  /** `undefined` where nobody watches. */
  begin(call: WireCall): ObservedCall | undefined {
    const { api, tracer, duration } = this;
    if (!api || !tracer || !duration) return undefined;
    const attributes = {
      'http.request.method': call.method,
      'url.template': templateOf(call),
    };
    const span = tracer.startSpan(`${call.method} ${templateOf(call)}`, {
      kind: api.SpanKind.CLIENT,
      attributes,
    });
    const startedAt = performance.now();
    let attempts = 0;
    let isOver = false;
    return {
      run: (work) =>
        api.context.with(api.trace.setSpan(api.context.active(), span), work),
      attempted: (url, verdict, status) => {
        if (isOver) return;
        attempts += 1;
        describeAttempt(span, url, verdict, status);
      },
      end: (error) => {
        if (isOver) return;
        isOver = true;
        const type =
          error === undefined
            ? undefined
            : error === CANCELLED
              ? 'cancelled'
              : typeOf(error);
        const outcome = { ...attributes, ...(type && { 'error.type': type }) };
        span.setAttributes({ ...outcome, 'gauthify.attempts': attempts });
        if (type && error !== CANCELLED)
          span.setStatus({ code: api.SpanStatusCode.ERROR });
        span.end();
        duration.record((performance.now() - startedAt) / 1000, outcome);
      },
    };
  }
}

function describeAttempt(
  span: Api.Span,
  url: string,
  verdict: Verdict,
  status: number | undefined,
): void {
  const { hostname, port, protocol } = new URL(url);
  const attributes = {
    'server.address': hostname,
    'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    ...(status !== undefined && { 'http.response.status_code': status }),
  };
  if ('reason' in verdict)
    span.addEvent('gauthify.attempt_failed', {
      ...attributes,
      'gauthify.reason': verdict.reason,
    });
  else span.setAttributes(attributes);
}

/** The error's class: its message may quote what was sent. */
const typeOf = (error: unknown): string =>
  isGAuthifyError(error)
    ? error.name
    : error instanceof Error
      ? error.constructor.name
      : typeof error;
