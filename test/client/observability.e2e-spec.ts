import 'reflect-metadata';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { context, metrics, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import {
  GAuthifyHealthIndicator,
  GAuthifyModule,
  type GAuthifyModuleOptions,
  GAuthifyService,
  ServerError,
} from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { firstValueFrom as first, map } from 'rxjs';
import {
  type AccessPoint,
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
  failureOf,
} from '../helpers/client.js';

describe('health', () => {
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
  });

  it('is down for terminus where no access point takes the key', async () => {
    const refusing = await accessPoint(refusal(401, 'invalid_api_key'));
    const indicatorOf = async (point: AccessPoint) =>
      new GAuthifyHealthIndicator(await client([point]));
    const refused = await indicatorOf(refusing);
    expect(await refused.isHealthy('mfa')).toMatchObject({
      mfa: {
        status: 'down',
        accessPoints: [
          {
            status: 'down',
            reason: 'answered 401 (invalid_api_key): check the option apiKey',
          },
        ],
      },
    });
    const silent = await indicatorOf(await accessPoint(hang));
    expect(await silent.isHealthy('mfa', { timeoutMs: 50 })).toMatchObject({
      mfa: {
        status: 'down',
        accessPoints: [
          { status: 'down', reason: expect.stringContaining('50 ms') },
        ],
      },
    });
  });
});

it('logs a refused key as an error, once a minute, without the key', async () => {
  const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
  afterThisTest(async () => logged.mockRestore());
  const gauthify = await client([
    await accessPoint(refusal(401, 'invalid_api_key')),
  ]);
  await failureOf(first(gauthify.getUser('jane')));
  await failureOf(first(gauthify.getUser('jane')));
  expect(logged.mock.calls).toEqual([
    ['GAuthify refused the API key: check the option apiKey.'],
  ]);
});

describe('OpenTelemetry', () => {
  afterEach(() => {
    trace.disable();
    metrics.disable();
    context.disable();
  });

  function watch() {
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
    context.setGlobalContextManager(new AsyncLocalStorageContextManager());
    afterThisTest(() => provider.shutdown());
    return { spans, exporter, provider };
  }

  it('has a span and a duration of each call, without whom it is about', async () => {
    const { spans, exporter, provider } = watch();
    const broken = await accessPoint(refusal(503, '500'));
    const id = 'jane@example.com';
    const well = await accessPoint(data(wireUser({ unique_id: id })));
    const gauthify = await client([broken, well]);
    await first(gauthify.getUser(id));
    await first(gauthify.sendEmail(id, 'jane@example.com'));
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
  });

  it('has a call that was unsubscribed as neither well nor failed', async () => {
    const { spans } = watch();
    const silent = await accessPoint(hang);
    const gauthify = await client([silent]);
    const arrived = silent.nextSocket();
    const subscription = gauthify.getUser('jane').subscribe();
    await arrived;
    subscription.unsubscribe();
    expect(spans.getFinishedSpans()).toMatchObject([
      {
        attributes: { 'error.type': 'cancelled' },
        status: { code: SpanStatusCode.UNSET },
      },
    ]);
  });

  it('has the requests of a call as parts of its span, and what comes after not', async () => {
    const { spans } = watch();
    const broken = await accessPoint(refusal(503, '500'));
    const well = await accessPoint(data(wireUser()));
    const gauthify = await client([broken, well]);
    const tracer = trace.getTracer('test');
    gauthify.axiosRef.interceptors.request.use((config) => {
      tracer.startSpan('request').end();
      return config;
    });
    await tracer.startActiveSpan('caller', async (caller) => {
      await first(
        gauthify
          .getUser('jane')
          .pipe(map(() => tracer.startSpan('after').end())),
      );
      caller.end();
    });
    const parentOf = (name: string) =>
      spans
        .getFinishedSpans()
        .filter((span) => span.name === name)
        .map(
          ({ parentSpanContext: parent }) =>
            spans
              .getFinishedSpans()
              .find((it) => it.spanContext().spanId === parent?.spanId)?.name,
        );
    expect(parentOf('request')).toEqual(
      Array(2).fill('GET users/{unique_id}/'),
    );
    expect(parentOf('GET users/{unique_id}/')).toEqual(['caller']);
    expect(parentOf('after')).toEqual(['caller']);
  });
});

describe('debug logs', () => {
  /** Everything that is logged from now on, until the next application is made. */
  function listen(): string[] {
    const lines: string[] = [];
    const log = (...parts: unknown[]) => lines.push(parts.join(' '));
    Logger.overrideLogger({
      log,
      error: log,
      warn: log,
      debug: log,
      verbose: log,
      fatal: log,
    });
    return lines;
  }

  it.each<[string, (gauthify: GAuthifyService) => unknown]>([
    ['without axios', () => undefined],
    [
      'through axios',
      (gauthify) => gauthify.axiosRef.interceptors.request.use((it) => it),
    ],
  ])(
    'name each attempt and its request id, and neither people nor secrets: %s',
    async (_, prepare) => {
      const server = await GAuthifyTestServer.start();
      afterThisTest(() => server.close());
      const options: GAuthifyModuleOptions = {
        apiKey: server.apiKey,
        accessPoints: [await deadUrl(), server.accessPoint],
      };
      const module = await Test.createTestingModule({
        imports: [GAuthifyModule.forRoot(options)],
      }).compile();
      await module.init();
      afterThisTest(() => module.close());
      const lines = listen();
      const gauthify = module.get(GAuthifyService);
      prepare(gauthify);
      const secrets: string[] = [server.apiKey, 'jane@example.com'];
      secrets.push('+447911123456', '7911123456', 'jane', 'Jane', '987654');
      secrets.push(Buffer.from(`:${server.apiKey}`).toString('base64'));
      const user = await first(
        gauthify.createUser({
          uniqueId: 'jane@example.com',
          displayName: 'Jane',
          smsNumber: '+447911123456',
        }),
      );
      secrets.push(user.key, user.otp, user.qrUrl);
      await first(gauthify.sendSms(user.uniqueId));
      secrets.push(server.lastCode());
      await first(gauthify.checkAuth(user.uniqueId, server.lastCode()));
      await first(gauthify.checkAuth(user.uniqueId, '987654'));
      await failureOf(first(gauthify.getUserByToken(`gat${'A'.repeat(32)}`)));
      secrets.push('A'.repeat(32));
      const app = await first(
        gauthify.createFactor(user.uniqueId, { kind: 'totp', name: 'Jane’s' }),
      );
      secrets.push(app.id, app.key);
      await first(gauthify.deleteFactor(user.uniqueId, app.id));
      const codes = await first(gauthify.renewRecoveryCodes(user.uniqueId));
      secrets.push(...codes);
      await first(gauthify.checkAuth(user.uniqueId, codes[0]!));
      await first(gauthify.deleteUser(user.uniqueId));
      const debug = lines.filter(
        (line) =>
          line.includes('GAuthifyClient') &&
          !line.includes('Access point down'),
      );
      expect(debug).toEqual(
        [
          `GET errors/: ${options.accessPoints![0]} refused the connection: is the GAuthify server running there? after`,
          `GET errors/: ${server.accessPoint} answered 200 after`,
          'POST users/: http',
          'POST sms/: http',
          'POST check/: http',
          'POST check/: http',
          `POST token/: ${server.accessPoint} answered 404 after`,
          'POST users/{unique_id}/factors/: http',
          'DELETE users/{unique_id}/factors/{factor}/: http',
          'POST users/{unique_id}/recovery_codes/: http',
          'POST check/: http',
          'DELETE users/{unique_id}/: http',
        ].map((start) => expect.stringContaining(start)),
      );
      for (const line of debug.slice(1))
        expect(line).toMatch(/ after \d+ ms, request_id [0-9a-f]{32} /);
      const everything = lines.join('\n');
      for (const secret of secrets) expect(everything).not.toContain(secret);
    },
  );

  it('say what an error of a call does not', async () => {
    const silent = await accessPoint(hang);
    const gauthify = await client([silent], { timeoutMs: 20 });
    const lines = listen();
    await expect(first(gauthify.getUser('jane'))).rejects.toBeInstanceOf(
      ServerError,
    );
    expect(lines).toContainEqual(
      expect.stringMatching(
        `GET users/{unique_id}/: ${silent.url} did not answer within 20 ms \\(timeoutMs\\) after \\d+ ms`,
      ),
    );
  });
});
