import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  adapter,
  ADAPTERS,
  type Answer,
  call,
  createUser,
  wrongCode,
} from '../helpers/api.js';

const exporter = new InMemorySpanExporter();

/** The part of W3C Trace Context that a server reads. */
const TRACE_CONTEXT = {
  inject: () => undefined,
  fields: () => ['traceparent'],
  extract: (parent: any, carrier: any, getter: any) => {
    const header = getter.get(carrier, 'traceparent') as string | undefined;
    const parts = /^00-(\w{32})-(\w{16})-(\w\w)$/.exec(header ?? '');
    if (!parts) return parent;
    const [, traceId, spanId] = parts as unknown as string[];
    return trace.setSpanContext(parent, {
      traceId: traceId!,
      spanId: spanId!,
      traceFlags: 1,
      isRemote: true,
    });
  },
};

beforeAll(() => {
  context.setGlobalContextManager(
    new AsyncLocalStorageContextManager().enable(),
  );
  propagation.setGlobalPropagator(TRACE_CONTEXT);
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    }),
  );
});
afterAll(() => {
  trace.disable();
  propagation.disable();
  context.disable();
});
beforeEach(() => exporter.reset());

/** The spans, once the one of the server has ended: that is after its answer. */
async function spansUntil(name: string): Promise<ReadableSpan[]> {
  const isThere = () =>
    exporter.getFinishedSpans().some((span) => span.name === name);
  const deadline = Date.now() + 10_000;
  while (!isThere() && Date.now() < deadline) await new Promise(setImmediate);
  expect(exporter.getFinishedSpans().map((span) => span.name)).toContain(name);
  return exporter.getFinishedSpans();
}

const spanOf = (spans: readonly ReadableSpan[], name: string) =>
  spans.find((span) => span.name === name)!;

it.each(ADAPTERS)(
  'has a span for each call, a child of the caller’s, on %s',
  async (name) => {
    const server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
    });
    try {
      const traceId = 'a'.repeat(32);
      const traceparent = `00-${traceId}-${'b'.repeat(16)}-01`;
      const user = await createUser(server, { email: 'jane@example.com' });
      const post = (path: string, params: Record<string, string>) =>
        call(
          server,
          'POST',
          path,
          { unique_id: user.unique_id as string, ...params },
          { headers: { traceparent } },
        );
      const checked: Answer = await post('check/', {
        auth_code: server.totp(user.key),
      });
      const spans = await spansUntil('POST /v1/check');
      const ours = spanOf(spans, 'POST /v1/check');
      expect(ours.kind).toBe(SpanKind.SERVER);
      expect(ours.spanContext().traceId).toBe(traceId);
      expect(ours.parentSpanContext?.spanId).toBe('b'.repeat(16));
      expect(ours.attributes).toEqual({
        'http.request.method': 'POST',
        'http.route': '/v1/check',
        'http.response.status_code': 200,
        'gauthify.request_id': checked.body.request_id,
      });
      const decision = spanOf(spans, 'gauthify.check');
      expect(decision.parentSpanContext?.spanId).toBe(
        ours.spanContext().spanId,
      );

      await post('email/', {});
      const sent = await spansUntil('POST /v1/email');
      const handOver = spanOf(sent, 'gauthify.send');
      expect(handOver.kind).toBe(SpanKind.CLIENT);
      expect(handOver.attributes).toEqual({ 'gauthify.channel': 'email' });
      expect(handOver.parentSpanContext?.spanId).toBe(
        spanOf(sent, 'POST /v1/email').spanContext().spanId,
      );
    } finally {
      await server.close();
    }
  },
);

it('names nobody: neither in a path, nor in an attribute, nor in an error', async () => {
  const server = await GAuthifyTestServer.start({
    senders: {
      sms: {
        send: async ({ to }) => {
          throw new TypeError(`The number ${to} is wrong`);
        },
      },
    },
  });
  try {
    const user = await createUser(server, { sms_number: '9162627232' });
    const id = user.unique_id as string;
    const auth_code = wrongCode(server, user.key);
    await call(server, 'GET', `users/${id}/`);
    await call(server, 'POST', 'check/', { unique_id: id, auth_code });
    await call(server, 'POST', 'sms/', { unique_id: id });
    await call(server, 'GET', 'nowhere/');
    const spans = await spansUntil('GET unmatched');
    const failed = spanOf(spans, 'POST /v1/sms');
    expect(failed.attributes).toMatchObject({
      'error.type': '500',
      'gauthify.error_code': 'delivery_failed',
    });
    expect(spanOf(spans, 'gauthify.send').attributes['error.type']).toBe(
      'TypeError',
    );
    const text = JSON.stringify(
      spans.map(({ name, attributes, events, status }) => [
        name,
        attributes,
        events,
        status,
      ]),
    );
    for (const secret of [id, auth_code, '9162627232', 'nowhere', user.key])
      expect(text).not.toContain(secret);
  } finally {
    await server.close();
  }
});

it('makes no span of a probe', async () => {
  const server = await GAuthifyTestServer.start();
  await fetch(new URL('/healthz/ready', server.accessPoint));
  await call(server, 'GET', 'errors/');
  await spansUntil('GET /v1/errors');
  expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual([
    'GET /v1/errors',
  ]);
  await server.close();
});
