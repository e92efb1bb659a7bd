import 'reflect-metadata';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  DeliveryUnknownError,
  type GAuthifyServerOptions,
  type RequestReport,
} from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { Registry } from 'prom-client';
import { MetricsListener } from '../../lib/server/observability/metrics-listener.js';
import {
  adapter,
  ADAPTERS,
  call,
  check,
  createUser,
  wrongCode,
} from '../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
} from '../helpers/postgres.js';

let server: GAuthifyTestServer;
afterEach(() => server.close());

type Options = GAuthifyServerOptions & { adapter?: any };

async function start(options: Options = {}): Promise<void> {
  server = await GAuthifyTestServer.start({ metrics: { port: 0 }, ...options });
}

async function scrape(): Promise<string> {
  const { url } = server.app.get(MetricsListener);
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  const response = await fetch(url!);
  expect(response.headers.get('content-type')).toBe(
    'text/plain; version=0.0.4; charset=utf-8',
  );
  return await response.text();
}

/** Value of a series, labels in the order in which they are written. */
async function valueOf(series: string): Promise<number | undefined> {
  const line = (await scrape())
    .split('\n')
    .find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

/** The metric of a request is written once its answer has left. */
async function until(series: string, expected: number): Promise<void> {
  const deadline = Date.now() + 5_000;
  while ((await valueOf(series)) !== expected && Date.now() < deadline);
  expect([series, await valueOf(series)]).toEqual([series, expected]);
}

describe.each(ADAPTERS)('on %s', (name) => {
  it('counts requests by method, route and status, and errors by code', async () => {
    await start({ adapter: await adapter(name) });
    const user = await createUser(server);
    await call(server, 'GET', `users/${user.unique_id}/`);
    await call(server, 'GET', 'users/secret-person/');
    await call(server, 'GET', 'users/');
    await call(server, 'GET', 'secret-path/');
    await call(server, 'GET', 'users/', undefined, {
      headers: { authorization: 'secret-key' },
    });
    await fetch(user.ez_url);
    const count = (labels: string) =>
      `gauthify_http_request_duration_seconds_count{${labels}}`;
    await until(count('method="POST",route="/v1/users",status="2xx"'), 1);
    const one = 'route="/v1/users/:uniqueId"';
    await until(count(`method="GET",${one},status="2xx"`), 1);
    await until(count(`method="GET",${one},status="4xx"`), 1);
    await until(count('method="GET",route="/v1/users",status="2xx"'), 1);
    await until(count('method="GET",route="/v1/users",status="4xx"'), 1);
    await until(count('method="GET",route="unmatched",status="4xx"'), 1);
    const page = 'route="/v1/ez/:id/:signature"';
    await until(count(`method="GET",${page},status="2xx"`), 1);
    await until('gauthify_errors_total{code="invalid_api_key"}', 1);
    await until('gauthify_errors_total{code="user_not_found"}', 1);
    expect(await scrape()).not.toMatch(/secret|user-\d/);
  });
});

it('counts checks by outcome and by the kind of code', async () => {
  await start();
  const user = await createUser(server);
  const id = user.unique_id as string;
  await check(server, id, server.totp(user.key));
  await check(server, id, user.otp as string);
  await check(server, 'nobody', '123456');
  const wrong = wrongCode(server, user.key);
  for (let guess = 0; guess < 6; guess++) await check(server, id, wrong);
  const count = (outcome: string, method = 'none') =>
    `gauthify_checks_total{outcome="${outcome}",method="${method}"}`;
  await until(count('accepted', 'totp'), 1);
  await until(count('accepted', 'otp'), 1);
  await until(count('not_found'), 1);
  await until(count('wrong'), 5);
  await until(count('refused'), 1);
  // Each was alone.
  await until('gauthify_check_batch_size_count', 9);
  await until('gauthify_check_batch_size_bucket{le="1"}', 9);
});

it('counts answers that are given again', async () => {
  await start();
  const user = await createUser(server);
  const params = {
    unique_id: user.unique_id as string,
    auth_code: server.totp(user.key),
  };
  const headers = { 'idempotency-key': 'one' };
  for (let time = 0; time < 3; time++)
    await call(server, 'POST', 'check/', params, { headers });
  await until('gauthify_replays_total', 2);
  await until('gauthify_checks_total{outcome="repeated",method="none"}', 2);
});

it('counts messages by channel and outcome', async () => {
  let problem: Error | undefined;
  const send = async () => {
    if (problem) throw problem;
  };
  await start({ senders: { sms: { send } } });
  const user = await createUser(server, { sms_number: '9162627232' });
  const sms = () =>
    call(server, 'POST', 'sms/', { unique_id: user.unique_id as string });
  await sms();
  await sms();
  server.advance(60);
  problem = new Error('Refused');
  await sms();
  server.advance(60);
  problem = new DeliveryUnknownError();
  await sms();
  for (const outcome of ['sent', 'refused', 'failed', 'unknown'])
    await until(`gauthify_sends_total{channel="sms",outcome="${outcome}"}`, 1);
  await until('gauthify_send_duration_seconds_count{channel="sms"}', 3);
});

it('has the realm as a label only if that is asked for', async () => {
  await start({ metrics: { port: 0, realms: true } });
  const user = await createUser(server, { email: 'jane@example.com' });
  await check(server, user.unique_id as string, server.totp(user.key));
  await call(server, 'POST', 'email/', {
    unique_id: user.unique_id as string,
  });
  await until(
    'gauthify_checks_total{outcome="accepted",method="totp",realm="test"}',
    1,
  );
  await until(
    'gauthify_sends_total{channel="email",outcome="sent",realm="test"}',
    1,
  );
  await until(
    'gauthify_http_request_duration_seconds_count{method="POST",route="/v1/check",status="2xx",realm="test"}',
    1,
  );
});

it('has the metrics of Node, and answers nothing but them', async () => {
  await start();
  expect(await scrape()).toMatch(/^process_cpu_user_seconds_total /m);
  const { url } = server.app.get(MetricsListener);
  const others = [
    await fetch(url!.replace('metrics', '')),
    await fetch(url!.replace('metrics', 'v1/users/')),
    await fetch(url!, { method: 'POST' }),
  ];
  expect(others.map(({ status }) => status)).toEqual([404, 404, 404]);
  // And the API has no metrics.
  expect(
    (await fetch(new URL('/metrics', server.accessPoint).href)).status,
  ).toBe(404);
});

it('adds its metrics to the registry of an application, without those of Node', async () => {
  const registry = new Registry();
  await start({ metrics: { registry } });
  expect(server.app.get(MetricsListener).url).toBeUndefined();
  await createUser(server);
  const names = registry.getMetricsAsArray().map(({ name }) => name);
  expect(names.length).toBeGreaterThan(6);
  expect(names.filter((name) => !name.startsWith('gauthify_'))).toEqual([]);
});

it('says in one sentence that the port is in use', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(
    GAuthifyTestServer.start({ metrics: { port } }),
  ).rejects.toMatchObject({
    name: 'StartError',
    message: `Option metrics.port: ${port} is in use: stop the program that listens there, or set another port`,
  });
  other.close();
  await start();
});

it('reports each request once, under the request_id of its answer', async () => {
  const reports: RequestReport[] = [];
  await start({
    metrics: undefined,
    onRequest: (report) => {
      reports.push(report);
      throw new Error('A log that fails');
    },
  });
  const { body } = await call(server, 'POST', 'users/', {
    unique_id: 'jane',
    display_name: 'Jane',
  });
  const { body: list } = await call(server, 'GET', 'users/?page=1');
  const { body: missing } = await call(server, 'GET', 'users/nobody/');
  await fetch(new URL('/healthz/live', server.accessPoint).href);
  await call(server, 'GET', 'errors/');
  const deadline = Date.now() + 10_000;
  while (reports.length < 4 && Date.now() < deadline)
    await new Promise(setImmediate);
  expect(reports.slice(0, 3)).toEqual([
    {
      requestId: body.request_id,
      realm: 'test',
      method: 'POST',
      route: '/v1/users',
      status: 201,
      errorCode: undefined,
      durationMs: expect.any(Number),
    },
    expect.objectContaining({ requestId: list.request_id, status: 200 }),
    expect.objectContaining({
      requestId: missing.request_id,
      route: '/v1/users/:uniqueId',
      status: 404,
      errorCode: 'user_not_found',
    }),
  ]);
  // The probe is not among them.
  expect(reports[3]!.route).toBe('/v1/errors');
});

const postgres = await createPostgres();
describeWith(postgres)('on PostgreSQL', () => {
  it('has the connections', async () => {
    await start({ database: postgres.url, encryptionKeys: encryptionKeys() });
    await createUser(server);
    await until('gauthify_database_connections{state="used"}', 0);
    expect(
      await valueOf('gauthify_database_connections{state="idle"}'),
    ).toBeGreaterThan(0);
    await until('gauthify_database_waiting', 0);
  });
});
