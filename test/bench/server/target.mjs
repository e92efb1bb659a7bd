/**
 * A server to be measured, in a process of its own. The first argument names it,
 * the second one is its database URL. Tells its parent the port, and answers `usage` with
 * the CPU time and memory it has used.
 */
import 'reflect-metadata';
import { Body, Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { decide } from './limit.mjs';

const [, , kind, database, apiKey, encryptionKey] = process.argv;

/** The bare route, and the limit: the same decision by hand-written statements. Decorators by hand: this file is run as it is. */
async function startBare(check) {
  class CheckController {
    check(body) {
      return check(body);
    }
  }
  const descriptor = Object.getOwnPropertyDescriptor(
    CheckController.prototype,
    'check',
  );
  Post('v1/check')(CheckController.prototype, 'check', descriptor);
  HttpCode(200)(CheckController.prototype, 'check', descriptor);
  Body()(CheckController.prototype, 'check', 0);
  Controller()(CheckController);
  class AppModule {}
  Module({ controllers: [CheckController] })(AppModule);
  const app = await NestFactory.create(AppModule, new FastifyAdapter(), {
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer().address().port;
}

async function startGAuthify() {
  const { GAuthifyServerModule } =
    await import('../../../dist/server/index.js');
  const { createFastifyAdapter } =
    await import('../../../dist/server/v1/fastify-adapter.js');
  const app = await NestFactory.create(
    GAuthifyServerModule.forRoot({
      database,
      apiKeys: [{ realm: 'bench', key: apiKey }],
      encryptionKeys: [{ id: 'bench', key: encryptionKey }],
      standalone: true,
    }),
    await createFastifyAdapter(),
    { logger: ['error'] },
  );
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer().address().port;
}

const start = {
  bare: () =>
    startBare(({ unique_id }) => ({
      data: { unique_id, authenticated: true, method: 'totp' },
      request_id: '0'.repeat(32),
      server_time: new Date().toISOString(),
    })),
  limit: async () => startBare(await decide(database)),
  gauthify: startGAuthify,
  'better-auth': async () =>
    (await import('./better-auth.mjs')).startBetterAuth(database),
}[kind];

/** A port, or where and how to ask. */
const started = await start();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpuUs: user + system, rss: process.memoryUsage().rss });
});
process.on('disconnect', () => process.exit());
process.send(typeof started === 'number' ? { port: started } : started);
