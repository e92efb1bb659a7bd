import 'reflect-metadata';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { Controller, Get, type INestApplication, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { GAuthifyServerModule } from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { Readiness } from '../../lib/server/health/readiness.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { adapter, ADAPTERS } from '../helpers/api.js';

let app: INestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

const status = async (url: string) => {
  const response = await fetch(url);
  const { headers } = response;
  return [response.status, await response.text(), headers.get('cache-control')];
};
const UP = [200, '{"status":"ok"}', 'no-store'];
const DOWN = [503, '{"status":"unavailable"}', 'no-store'];

@Controller('healthz')
class OwnController {
  @Get('live')
  live() {
    return 'own';
  }
}

@Module({ controllers: [OwnController] })
class OwnModule {}

describe.each(ADAPTERS)('on %s', (name) => {
  async function standalone() {
    const server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
    });
    ({ app } = server);
    return {
      url: new URL('/healthz/', server.accessPoint).href,
      readiness: server.app.get(Readiness),
      database: server.app.get<Database>(DATABASE),
    };
  }

  it('is live and ready without an API key', async () => {
    const { url } = await standalone();
    expect(await status(`${url}live`)).toEqual(UP);
    expect(await status(`${url}ready`)).toEqual(UP);
  });

  it('stays live, and is not ready, while the database does not answer', async () => {
    const { url, database } = await standalone();
    await database.close();
    expect(await status(`${url}ready`)).toEqual(DOWN);
    expect(await status(`${url}live`)).toEqual(UP);
  });

  it('is not ready as soon as a shutdown begins, while it still answers', async () => {
    const { url, readiness } = await standalone();
    expect(await status(`${url}ready`)).toEqual(UP);
    readiness.drain();
    expect(await status(`${url}ready`)).toEqual(DOWN);
    expect(await status(`${url}live`)).toEqual(UP);
  });

  it('asks clients to leave once a shutdown has begun', async () => {
    const { url, readiness } = await standalone();
    const agent = new Agent({ keepAlive: true });
    const connectionOf = async () => {
      const [response] = await once(get(`${url}live`, { agent }), 'response');
      response.resume();
      await once(response, 'end');
      return response.headers.connection as string;
    };
    expect(await connectionOf()).toBe('keep-alive');
    readiness.drain();
    expect(await connectionOf()).toBe('close');
    agent.destroy();
  });

  it('is in a module under its path, and nowhere without one', async () => {
    const start = async (path?: string) => {
      const module = await Test.createTestingModule({
        imports: [
          GAuthifyServerModule.forRoot({
            database: 'sqlite::memory:',
            ...(path && { path }),
          }),
          OwnModule,
        ],
      }).compile();
      app = module.createNestApplication(await adapter(name), {
        logger: false,
      });
      await app.listen(0, '127.0.0.1');
      return await app.getUrl();
    };
    const mounted = await start('gauthify');
    expect(await status(`${mounted}/gauthify/healthz/ready`)).toEqual(UP);
    expect(await (await fetch(`${mounted}/healthz/live`)).text()).toBe('own');
    const document = (await (
      await fetch(`${mounted}/gauthify/openapi.json`)
    ).json()) as { servers: unknown };
    expect(document.servers).toEqual([{ url: '/gauthify' }]);
    await app!.close();
    const atRoot = await start();
    expect(await (await fetch(`${atRoot}/healthz/live`)).text()).toBe('own');
    expect((await fetch(`${atRoot}/healthz/ready`)).status).toBe(404);
    expect((await fetch(`${atRoot}/openapi.json`)).status).toBe(404);
  });
});

it('asks the database once for all probes of a second', async () => {
  const server = await GAuthifyTestServer.start();
  ({ app } = server);
  const database = server.app.get<Database>(DATABASE);
  const { read } = database;
  let statements = 0;
  Object.defineProperty(database, 'read', {
    get: () => {
      statements += 1;
      return read;
    },
  });
  const url = new URL('/healthz/ready', server.accessPoint).href;
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => status(url)),
  );
  expect(answers).toEqual(Array(20).fill(UP));
  expect(statements).toBe(1);
});

it('is not ready if the database is silent for a second', async () => {
  const server = await GAuthifyTestServer.start();
  ({ app } = server);
  const database = server.app.get<Database>(DATABASE);
  let release!: () => void;
  const unit = database.unit(
    () => new Promise<void>((resolve) => (release = resolve)),
  );
  const url = new URL('/healthz/ready', server.accessPoint).href;
  expect(await status(url)).toEqual(DOWN);
  release();
  await unit;
});
