/**
 * The same `POST check/` against the same local server (a process of its own),
 * by this client, by Nest's default HttpModule, by fetch and by bare undici: in
 * turn, several rounds, in one run. Then what a dead first access point costs.
 *
 * `npm run bench:client`; under a minute.
 */
import 'reflect-metadata';
import { fork } from 'node:child_process';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { HttpModule, HttpService } from '@nestjs/axios';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { firstValueFrom } from 'rxjs';
import { Agent, request } from 'undici';
import { GAuthifyModule, GAuthifyService } from '../../../dist/index.js';

const ROUNDS = 4;
const ROUND_MS = 1000;
const API_KEY = 'bench-key';
const authorization = `Basic ${Buffer.from(`:${API_KEY}`).toString('base64')}`;
const form = 'unique_id=jane&auth_code=123456';
const headers = {
  authorization,
  'content-type': 'application/x-www-form-urlencoded',
};
const print = (line) => process.stdout.write(`${line}\n`);
// Debug logs are the application's to want.
Logger.overrideLogger(['error', 'warn']);

async function start(kind) {
  const child = fork(new URL('./server.mjs', import.meta.url), [kind]);
  const port = await new Promise((resolve) => child.once('message', resolve));
  return { url: `http://127.0.0.1:${port}/v1/`, stop: () => child.kill() };
}

async function nest(module) {
  return NestFactory.createApplicationContext(module, { logger: false });
}

const client = (accessPoints, options = {}) =>
  nest(GAuthifyModule.forRoot({ apiKey: API_KEY, accessPoints, ...options }));

/** Calls for a while with so many in flight; latencies, ms, and calls/s. */
async function measure(call, inFlight, forMs) {
  const latencies = [];
  const startedAt = performance.now();
  const end = startedAt + forMs;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (let at = performance.now(); at < end;) {
        await call();
        const now = performance.now();
        latencies.push(now - at);
        at = now;
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return { latencies, perSecond: latencies.length / seconds };
}

const quantile = (values, q) =>
  values.sort((a, b) => a - b)[Math.floor((values.length - 1) * q)];
const median = (values) => quantile([...values], 0.5);

async function compare(url) {
  const app = await client([url]);
  const gauthify = app.get(GAuthifyService);
  const httpApp = await nest(HttpModule.register({}));
  const http = httpApp.get(HttpService);
  const agent = new Agent({ connections: 128 });
  const ways = {
    'nestjs-gauthify': () =>
      firstValueFrom(gauthify.checkAuth('jane', '123456')),
    'default HttpModule': () =>
      firstValueFrom(http.post(`${url}check/`, form, { headers })),
    fetch: async () =>
      (
        await fetch(`${url}check/`, { method: 'POST', body: form, headers })
      ).json(),
    'bare undici': async () =>
      (
        await request(`${url}check/`, {
          method: 'POST',
          body: form,
          headers,
          dispatcher: agent,
        })
      ).body.json(),
  };
  for (const inFlight of [1, 32]) {
    const results = new Map(Object.keys(ways).map((name) => [name, []]));
    for (const call of Object.values(ways)) await measure(call, inFlight, 300);
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, call] of Object.entries(ways))
        results.get(name).push(await measure(call, inFlight, ROUND_MS));
    const rate = (name) =>
      median(results.get(name).map(({ perSecond }) => perSecond));
    print(
      `\n| ${inFlight} in flight | calls/s | p50 ms | p99 ms | × HttpModule | × undici |`,
    );
    print('|---|---:|---:|---:|---:|---:|');
    for (const [name, rounds] of results) {
      const all = rounds.flatMap(({ latencies }) => latencies);
      const cells = [
        Math.round(rate(name)).toLocaleString('en'),
        quantile(all, 0.5).toFixed(2),
        quantile(all, 0.99).toFixed(2),
        (rate(name) / rate('default HttpModule')).toFixed(2),
        (rate(name) / rate('bare undici')).toFixed(2),
      ];
      print(`| ${name} | ${cells.join(' | ')} |`);
    }
  }
  await agent.destroy();
  await app.close();
  await httpApp.close();
}

/** Access points that are of no use, each in its way. */
async function dead() {
  const closed = await start('data');
  closed.stop();
  const noTls = createServer((socket) => socket.end('no TLS\n'));
  await new Promise((resolve) => noTls.listen(0, '127.0.0.1', resolve));
  const hang = await start('hang');
  const broken = await start('5xx');
  const page = await start('html');
  return {
    urls: {
      refused: closed.url,
      hanging: hang.url,
      'TLS error': `https://127.0.0.1:${noTls.address().port}/v1/`,
      '5xx': broken.url,
      HTML: page.url,
    },
    stop: () => {
      [hang, broken, page].forEach(({ stop }) => stop());
      noTls.close();
    },
  };
}

async function failOver(url) {
  const { urls, stop } = await dead();
  const timeoutMs = 500;
  print(
    `\n| first access point | first call ms | median after ms | × healthy |`,
  );
  print('|---|---:|---:|---:|');
  const apps = { healthy: await client([url], { timeoutMs }) };
  for (const [name, first] of Object.entries(urls))
    apps[name] = await client([first, url], { timeoutMs });
  const firsts = {};
  const after = Object.fromEntries(Object.keys(apps).map((name) => [name, []]));
  const check = (name) =>
    firstValueFrom(
      apps[name].get(GAuthifyService).checkAuth('jane', '123456'),
    ).catch((error) => error);
  for (const name of Object.keys(apps)) {
    const startedAt = performance.now();
    // Of these servers the client knows nothing yet: an error, where the first may have acted.
    const result = await check(name);
    firsts[name] =
      `${(performance.now() - startedAt).toFixed(1)}${result === true ? '' : ` (${result.name})`}`;
  }
  // In turn, call by call: what else the machine does meets all alike.
  for (let round = 0; round < 3000; round++)
    for (const name of Object.keys(apps)) {
      const startedAt = performance.now();
      const result = await check(name);
      if (result !== true) throw result;
      if (round >= 1000) after[name].push(performance.now() - startedAt);
    }
  const healthy = median(after.healthy);
  for (const name of Object.keys(apps)) {
    const middle = median(after[name]);
    print(
      `| ${name} | ${firsts[name]} | ${middle.toFixed(3)} | ${(middle / healthy).toFixed(2)} |`,
    );
  }
  for (const app of Object.values(apps)) await app.close();
  stop();
}

print(
  `Node ${process.version}, ${availableParallelism()} cores, ${new Date().toISOString().slice(0, 10)}`,
);
const healthy = await start('data');
try {
  await compare(healthy.url);
  await failOver(healthy.url);
} finally {
  healthy.stop();
}
process.exit();
