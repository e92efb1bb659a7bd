import type { IncomingHttpHeaders } from 'node:http';
import type * as Api from '@opentelemetry/api';
import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import type { RequestReport } from '../settings/observability-options.js';

/** The span of a request. */
export interface RequestSpan {
  /** Runs work inside the span: what it starts are its children. */
  run: (work: () => void) => void;
  end: (report: RequestReport) => void;
}

/**
 * Spans for OpenTelemetry, if the application has `@opentelemetry/api` and has
 * registered a provider. They name nobody: no path, no parameter, no address; of
 * an error, its class alone, because its message may quote what was sent.
 */
export class Tracing {
  private readonly tracer: Api.Tracer;

  // Private, so that the published declarations do not import `@opentelemetry/api`.
  private constructor(private readonly api: typeof Api) {
    this.tracer = api.trace.getTracer('nestjs-gauthify/server');
  }

  /** `undefined` if OpenTelemetry is not installed. */
  static async load(): Promise<Tracing | undefined> {
    try {
      return new Tracing(await import('@opentelemetry/api'));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
        return undefined;
      throw error;
    }
  }

  /**
   * Begins the span of a request: a child of the active span, otherwise of the
   * caller's (`traceparent`). `undefined` without a provider.
   */
  request(
    method: string,
    headers: IncomingHttpHeaders,
  ): RequestSpan | undefined {
    const { api } = this;
    const active = api.context.active();
    const parent = api.trace.getSpan(active)
      ? active
      : api.propagation.extract(active, headers);
    const span = this.tracer.startSpan(
      method,
      {
        kind: api.SpanKind.SERVER,
        attributes: { 'http.request.method': method },
      },
      parent,
    );
    if (!api.isSpanContextValid(span.spanContext())) return undefined;
    const context = api.trace.setSpan(parent, span);
    return {
      run: (work) => api.context.with(context, work),
      end: ({ route, status, requestId, errorCode }) => {
        span.updateName(`${method} ${route}`);
        span.setAttributes({
          'http.route': route,
          'http.response.status_code': status,
          ...(requestId && { 'gauthify.request_id': requestId }),
          ...(errorCode && { 'gauthify.error_code': errorCode }),
        });
        if (status >= 500) {
          span.setAttribute('error.type', String(status));
          span.setStatus({ code: api.SpanStatusCode.ERROR });
        }
        span.end();
      },
    };
  }

  /** Begins a span inside the active one. @returns what ends it, with the error if there was one */
  begin(name: string, attributes: Api.Attributes = {}) {
    return this.enderOf(this.tracer.startSpan(name, { attributes }));
  }

  /** Runs work inside a span of its own, of a call to another server. */
  async within<T>(
    name: string,
    attributes: Api.Attributes,
    work: () => Promise<T>,
  ): Promise<T> {
    const { api } = this;
    const kind = api.SpanKind.CLIENT;
    const span = this.tracer.startSpan(name, { kind, attributes });
    const end = this.enderOf(span);
    try {
      const context = api.trace.setSpan(api.context.active(), span);
      const result = await api.context.with(context, work);
      end();
      return result;
    } catch (error) {
      end(error);
      throw error;
    }
  }

  private enderOf(span: Api.Span): (error?: unknown) => void {
    return (error) => {
      if (error !== undefined) {
        span.setAttribute('error.type', typeOf(error));
        span.setStatus({ code: this.api.SpanStatusCode.ERROR });
      }
      span.end();
    };
  }
}

function typeOf(error: unknown): string {
  if (isGAuthifyError(error)) return error.errorCode;
  return error instanceof Error ? error.constructor.name : typeof error;
}
