/** An application in plain CommonJS: the server inside it, the client, the guard and its routes. */
require('reflect-metadata');
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { Controller, Get, Module, UseGuards } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { ExpressAdapter } = require('@nestjs/platform-express');
const { FastifyAdapter } = require('@nestjs/platform-fastify');
const {
  GAuthifyModule,
  GAuthifyService,
  MfaGuard,
} = require('nestjs-gauthify');
const { GAuthifyServerModule } = require('nestjs-gauthify/server');
const { GAuthifyTestServer } = require('nestjs-gauthify/testing');
const { lastValueFrom, toArray } = require('rxjs');

const version = require('@nestjs/core/package.json').version;
const apiKey = randomBytes(24).toString('hex');

class AccountController {
  account() {
    return 'in';
  }
}
const account = Object.getOwnPropertyDescriptor(
  AccountController.prototype,
  'account',
);
Get('account')(AccountController.prototype, 'account', account);
UseGuards(MfaGuard)(AccountController.prototype, 'account', account);
Controller()(AccountController);

async function run(adapter) {
  const server = await GAuthifyTestServer.start();
  class App {}
  Module({
    imports: [
      GAuthifyServerModule.forRoot({
        path: 'gauthify',
        database: 'sqlite::memory:',
        apiKeys: [{ realm: 'default', key: apiKey }],
      }),
      GAuthifyModule.forRoot({
        apiKey: server.apiKey,
        accessPoints: [server.accessPoint],
        mfa: {
          userId: (request) => request.headers['x-user'],
          proof: { secret: randomBytes(32).toString('hex'), cookie: true },
          routes: true,
        },
      }),
    ],
    controllers: [AccountController],
  })(App);
  const app = await NestFactory.create(App, adapter, {
    logger: ['error', 'warn'],
  });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const steps = await lastValueFrom(
    app.get(GAuthifyService).quickTest().pipe(toArray()),
  );
  assert.deepEqual(
    steps.filter(({ ok }) => !ok),
    [],
  );
  const user = { 'x-user': 'jane' };
  const enrolment = await fetch(`${url}/mfa/enroll`, {
    method: 'POST',
    headers: { ...user, 'content-type': 'application/json' },
    body: '{}',
  });
  const code = server.totp((await enrolment.json()).key);
  const open = (headers) =>
    fetch(`${url}/account`, { headers: { ...user, ...headers } });
  const verified = await open({ 'x-mfa-code': code });
  assert.equal(verified.status, 200);
  const cookie = verified.headers.get('set-cookie').split(';')[0];
  assert.equal((await open({ cookie })).status, 200);
  assert.equal((await open({ 'x-mfa-code': code })).status, 401);
  const embedded = await fetch(`${url}/gauthify/v1/users`, {
    method: 'POST',
    headers: { authorization: apiKey },
    body: new URLSearchParams({ unique_id: 'jane', display_name: 'Jane' }),
  });
  assert.equal(embedded.status, 201);
  await app.close();
  await server.close();
}

(async () => {
  for (const [name, Adapter] of Object.entries({
    Express: ExpressAdapter,
    Fastify: FastifyAdapter,
  })) {
    await run(new Adapter());
    process.stdout.write(`Nest ${version} on ${name}: passed\n`);
  }
})();
