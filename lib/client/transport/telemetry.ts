import type * as Api from '@opentelemetry/api';
import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import { templateOf, type WireCall } from './http-client.js';
import type { AttemptResult } from './retry-policy.js';
import { VERSION } from './version.js';

/** How a call ended whose caller unsubscribed: neither with an answer nor with an error. */
export const CANCELLED = Symbol('cancelled');

/** A call that is observed, from subscription to its end. */
export interface ObservedCall {
  /** Runs work inside the call's span: the spans of an instrumented HTTP client are then its children. */
  run<T>(work: () => T): T;
  /** An attempt ended. */
  attempted(url: string, result: AttemptResult): void;
  /** The call ended: without an error, with one, or {@link CANCELLED}. Only the first time counts. */
  end(error?: unknown): void;
}

/**
 * Spans and a histogram of durations for OpenTelemetry, if the application has
 * `@opentelemetry/api`. They name nobody: paths have a placeholder for the user,
 * and no parameters are recorded.
 */
export class Telemetry {
  private readonly tracer?: Api.Tracer;
  private readonly duration?: Api.Histogram;

  // Private, so that the published declarations do not import
  // `@opentelemetry/api`, which applications need not have.
  private constructor(private readonly api?: typeof Api) {
    this.tracer = api?.trace.getTracer('nestjs-gauthify', VERSION);
    this.duration = api?.metrics
      .getMeter('nestjs-gauthify', VERSION)
      .createHistogram('gauthify.client.call.duration', {
        description: 'Duration of GAuthify calls, all attempts together',
        unit: 's',
      });
  }

  /** Uses OpenTelemetry if it is installed. */
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

  /** Starts to observe a call; `undefined` without OpenTelemetry. */
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
      attempted: (url, result) => {
        if (isOver) return;
        attempts += 1;
        describeAttempt(span, url, result);
      },
      end: (error) => {
        if (isOver) return;
        isOver = true;
        const type = error === undefined ? undefined : typeOf(error);
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
  result: AttemptResult,
): void {
  const status =
    result.kind === 'answered' ? result.error.httpStatus : result.status;
  const { hostname, port, protocol } = new URL(url);
  const attributes = {
    'server.address': hostname,
    'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    ...(status !== undefined && { 'http.response.status_code': status }),
  };
  if ('reason' in result)
    span.addEvent('gauthify.attempt_failed', {
      ...attributes,
      'gauthify.reason': result.reason,
    });
  else span.setAttributes(attributes);
}

/** The error's class; its message may quote what was sent. */
function typeOf(error: unknown): string {
  if (error === CANCELLED) return 'cancelled';
  if (isGAuthifyError(error)) return error.name;
  return error instanceof Error ? error.constructor.name : typeof error;
}
