/**
 * What a guarded request costs with a valid proof: the same application, the
 * same handler, with and without `MfaGuard`, in turn and in one run; one after
 * the other, and 32 in flight.
 *
 * Run by `npm run bench`, after a build.
 */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { cpus } from 'node:os';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { GAuthifyModule, MfaGuard } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';

const ROUNDS = 10;
const CALLS = 2000;
const IN_FLIGHT = 32;

const gauthify = await GAuthifyTestServer.start();
const user = await fetch(`${gauthify.accessPoint}users/`, {
  method: 'POST',
  headers: { authorization: gauthify.apiKey },
  body: new URLSearchParams({ unique_id: 'jane', display_name: 'Jane' }),
})
  .then((response) => response.json())
  .then(({ data }) => data);

/** Decorators by hand: this file is run as it is. */
class BenchController {
  bare() {
    return 'ok';
  }
  guarded() {
    return 'ok';
  }
}
const decorate = (name, ...decorators) => {
  const descriptor = Object.getOwnPropertyDescriptor(
    BenchController.prototype,
    name,
  );
  for (const decorator of decorators)
    decorator(BenchController.prototype, name, descriptor);
};
decorate('bare', Get('bare'));
decorate('guarded', Get('guarded'), UseGuards(MfaGuard));
Controller()(BenchController);

class BenchModule {}
Module({
  imports: [
    GAuthifyModule.forRoot({
      apiKey: gauthify.apiKey,
      accessPoints: [gauthify.accessPoint],
      mfa: {
        userId: ({ headers }) => headers['x-user'],
        proof: { secret: randomBytes(32).toString('base64') },
      },
    }),
  ],
  controllers: [BenchController],
})(BenchModule);

const app = await NestFactory.create(BenchModule, new FastifyAdapter(), {
  logger: false,
});
await app.listen(0, '127.0.0.1');
const { port } = app.getHttpServer().address();
const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });

const get = (path, headers) =>
  new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, agent }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200
          ? resolve(response.headers)
          : reject(new Error(`${path} answered ${response.statusCode}`)),
      );
    })
      .on('error', reject)
      .end();
  });

const { 'x-mfa-proof': proof } = await get('/guarded', {
  'x-user': 'jane',
  'x-mfa-code': gauthify.totp(user.key),
});
const headers = { 'x-user': 'jane', 'x-mfa-proof': proof };

/** Milliseconds a request takes, one after the other. */
async function measure(path) {
  const start = performance.now();
  for (let i = 0; i < CALLS; i++) await get(path, headers);
  return (performance.now() - start) / CALLS;
}

/** Requests a second, with `IN_FLIGHT` under way at any time. */
async function throughput(path) {
  const start = performance.now();
  let left = CALLS;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) await get(path, headers);
    }),
  );
  return (CALLS * 1000) / (performance.now() - start);
}

const median = (values) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

await measure('/bare');
await measure('/guarded');
const [bare, guarded, differences] = [[], [], []];
for (let round = 0; round < ROUNDS; round++) {
  bare.push(await measure('/bare'));
  guarded.push(await measure('/guarded'));
  differences.push(guarded.at(-1) - bare.at(-1));
}
await throughput('/bare');
await throughput('/guarded');
const [bareRate, guardedRate, ratios] = [[], [], []];
for (let round = 0; round < ROUNDS; round++) {
  bareRate.push(await throughput('/bare'));
  guardedRate.push(await throughput('/guarded'));
  ratios.push(guardedRate.at(-1) / bareRate.at(-1));
}
const print = (label, ms) =>
  console.log(`${label.padEnd(40)} ${ms.toFixed(3)} ms`);
console.log(
  `Node ${process.version}, ${cpus().length} cores, medians of ${ROUNDS} rounds of ${CALLS} requests`,
);
print('route without guard', median(bare));
print('route with MfaGuard and a valid proof', median(guarded));
print('the guard', median(differences));
const printRate = (label, rate) =>
  console.log(`${label.padEnd(40)} ${rate.toFixed(0)} requests/s`);
console.log(`${IN_FLIGHT} in flight`);
printRate('route without guard', median(bareRate));
printRate('route with MfaGuard and a valid proof', median(guardedRate));
console.log(`${'ratio'.padEnd(40)} ${median(ratios).toFixed(2)}`);

await app.close();
await gauthify.close();
agent.destroy();
