import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { HttpModule } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import {
  InMemoryMetricExporter,
  AggregationTemporality,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { metrics, trace } from '@opentelemetry/api';
import {
  GAuthifyHealthIndicator,
  GAuthifyModule,
  GAuthifyService,
  getGAuthifyToken,
  InjectGAuthify,
} from 'nestjs-gauthify';
import { firstValueFrom as first } from 'rxjs';
import {
  data,
  deadUrl,
  hang,
  refusal,
  wireUser,
} from '../helpers/access-point.js';
import {
  accessPoint,
  afterThisTest,
  API_KEY,
  client,
} from '../helpers/client.js';

@Injectable()
class Both {
  constructor(
    readonly main: GAuthifyService,
    @InjectGAuthify('staging') readonly staging: GAuthifyService,
    @InjectGAuthify('async') readonly other: GAuthifyService,
    @InjectGAuthify() readonly unnamed: GAuthifyService,
  ) {}
}

it('has several clients side by side, each with its own options', async () => {
  const points = await Promise.all(
    ['main', 'staging', 'async'].map((unique_id) =>
      accessPoint(data(wireUser({ unique_id }))),
    ),
  );
  const [main, staging, other] = points.map(({ url }) => ({
    apiKey: API_KEY,
    accessPoints: [url],
  }));
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot(main!),
      GAuthifyModule.forRoot({ name: 'staging', ...staging! }),
      GAuthifyModule.forRootAsync({ name: 'async', useFactory: () => other! }),
    ],
    providers: [Both],
  }).compile();
  afterThisTest(() => module.close());
  const both = module.get(Both);
  const ids = [both.main, both.staging, both.other].map(async (gauthify) =>
    first(gauthify.getUser('x')).then(({ uniqueId }) => uniqueId),
  );
  expect(await Promise.all(ids)).toEqual(['main', 'staging', 'async']);
  expect(both.unnamed).toBe(both.main);
  expect(module.get(getGAuthifyToken('staging'), { strict: false })).toBe(
    both.staging,
  );
  expect(() => GAuthifyModule.forRoot({ name: '', ...main! })).toThrow('name');
});

it('makes its requests by an HttpModule of the application', async () => {
  const server = await accessPoint(data(wireUser()));
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRoot({
        apiKey: API_KEY,
        accessPoints: [server.url],
        http: HttpModule.register({ headers: { 'x-mine': 'yes' } }),
      }),
    ],
  }).compile();
  afterThisTest(() => module.close());
  await first(module.get(GAuthifyService).getUser('jane'));
  expect(server.seen[0]?.headers).toMatchObject({
    'x-mine': 'yes',
    connection: expect.anything(),
  });
});

it('shows its requests to interceptors, and reuses its connections', async () => {
  const sockets = new Set();
  const server = await accessPoint((response, request, socket) => {
    sockets.add(socket);
    data(wireUser())(response, request, socket);
  });
  const gauthify = await client([server]);
  await first(gauthify.getUser('jane'));
  gauthify.axiosRef.interceptors.request.use((config) => {
    config.headers.set('x-mine', 'yes');
    return config;
  });
  await first(gauthify.getUser('jane'));
  expect(server.seen.map(({ headers }) => headers['x-mine'])).toEqual([
    undefined,
    'yes',
  ]);
  const { headers, ...straight } = server.seen[0]!;
  expect(server.seen[1]).toMatchObject(straight);
  expect(server.seen[1]?.headers.authorization).toBe(headers.authorization);
  for (let i = 0; i < 5; i++) await first(gauthify.getUser('jane'));
  // undici lets a connection rest for a turn of the event loop.
  expect(sockets.size).toBeLessThanOrEqual(2);
});

it('opens no more connections than maxSockets', async () => {
  const sockets = new Set();
  const server = await accessPoint((response, request, socket) => {
    sockets.add(socket);
    data(wireUser())(response, request, socket);
  });
  const gauthify = await client([server], { maxSockets: 2 });
  await Promise.all(
    Array.from({ length: 20 }, () => first(gauthify.getUser('jane'))),
  );
  expect(sockets.size).toBe(2);
});

it('reports each access point to terminus', async () => {
  const well = await accessPoint(data({}));
  const refused = await deadUrl();
  const module = await Test.createTestingModule({
    imports: [
      TerminusModule,
      GAuthifyModule.forRoot({
        apiKey: API_KEY,
        accessPoints: [refused, well.url],
      }),
    ],
  }).compile();
  afterThisTest(() => module.close());
  const indicator = module.get(GAuthifyHealthIndicator);
  const health = await module.resolve(HealthCheckService);
  const { status, info } = await health.check([() => indicator.isHealthy()]);
  expect(status).toBe('ok');
  expect(info?.['gauthify']).toMatchObject({
    status: 'up',
    accessPoints: [
      { url: refused, status: 'down', reason: expect.any(String) },
      { url: well.url, status: 'up' },
    ],
  });
  await well.close().catch(() => undefined);
});

it('is down for terminus where no access point takes the key', async () => {
  const refusing = await accessPoint(refusal(401, 'invalid_api_key'));
  const silent = await accessPoint(hang);
  const gauthify = await client([refusing, silent]);
  const indicator = new GAuthifyHealthIndicator(gauthify);
  expect(await indicator.isHealthy('mfa', { timeoutMs: 50 })).toMatchObject({
    mfa: {
      status: 'down',
      accessPoints: [
        { status: 'down', reason: 'answered 401 (invalid_api_key)' },
        { status: 'down', reason: expect.stringContaining('50 ms') },
      ],
    },
  });
});

it('makes a span and a duration of each call, without whom it is about', async () => {
  const spans = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(spans)],
    }),
  );
  const exporter = new InMemoryMetricExporter(
    AggregationTemporality.CUMULATIVE,
  );
  const provider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter })],
  });
  metrics.setGlobalMeterProvider(provider);
  const broken = await accessPoint(refusal(503, '500'));
  const well = await accessPoint(data(wireUser()));
  const gauthify = await client([broken, well]);
  await first(gauthify.getUser('jane@example.com'));
  await first(gauthify.sendEmail('jane', 'jane@example.com'));
  await provider.forceFlush();
  const [span] = spans.getFinishedSpans();
  expect(span).toMatchObject({
    name: 'GET users/{unique_id}/',
    attributes: { 'gauthify.attempts': 2, 'http.response.status_code': 200 },
    events: [{ name: 'gauthify.attempt_failed' }],
  });
  const [resource] = exporter.getMetrics();
  const [metric] = resource!.scopeMetrics[0]!.metrics;
  expect(metric?.descriptor).toMatchObject({
    name: 'gauthify.client.call.duration',
    unit: 's',
  });
  expect(metric?.dataPoints).toHaveLength(2);
  const told = JSON.stringify(
    spans.getFinishedSpans().map(({ name, attributes, events }) => ({
      name,
      attributes,
      events,
    })),
  );
  for (const secret of ['jane', 'example.com', API_KEY])
    expect(told).not.toContain(secret);
  await provider.shutdown();
  trace.disable();
  metrics.disable();
});
