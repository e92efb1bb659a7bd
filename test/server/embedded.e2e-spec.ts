import 'reflect-metadata';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Body,
  Controller,
  Get,
  type INestApplication,
  Logger,
  Module,
  Post,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals';
import { GAuthifyModule, MfaGuard } from 'nestjs-gauthify';
import {
  ApiKeysService,
  type GAuthifyServerOptions,
  GAuthifyServerModule,
} from 'nestjs-gauthify/server';
import { adapter, ADAPTERS } from '../helpers/api.js';

const KEY = 'k'.repeat(32);
const AUTH = { authorization: KEY };

@Controller('v1')
class OwnController {
  @Get('users')
  own() {
    return 'own users';
  }

  @Post('echo')
  echo(@Body() body: unknown) {
    return body;
  }
}

@Module({ controllers: [OwnController] })
class OwnModule {}

let app: INestApplication | undefined;
afterEach(() => app?.close());

const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function start(
  name: (typeof ADAPTERS)[number],
  options: GAuthifyServerOptions & { path?: string },
  configure?: (app: INestApplication) => void,
): Promise<string> {
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyServerModule.forRoot({
        apiKeys: [{ realm: 'a', key: KEY }],
        ...options,
      }),
      ...(options.path ? [OwnModule] : []),
    ],
  }).compile();
  app = module.createNestApplication(await adapter(name), { logger: false });
  configure?.(app);
  await app.listen(0, '127.0.0.1');
  return await app.getUrl();
}

/** The JSON of an answer. */
async function fetchJson(url: string, init?: RequestInit): Promise<any> {
  return await (await fetch(url, init)).json();
}

const create = (url: string) =>
  fetchJson(`${url}users/`, {
    method: 'POST',
    headers: AUTH,
    body: new URLSearchParams({ unique_id: 'jane', display_name: 'Jane' }),
  });

describe.each(ADAPTERS)('inside an application on %s', (name) => {
  it('is mounted at the given path, and leaves the application’s own routes alone', async () => {
    const url = await start(name, {
      database: 'sqlite::memory:',
      path: '/gauthify/',
    });
    expect(await (await fetch(`${url}/v1/users`)).text()).toBe('own users');
    const echo = await fetch(`${url}/v1/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":{"b":1}}',
    });
    expect(await echo.json()).toEqual({ a: { b: 1 } });
    const { data } = await create(`${url}/gauthify/v1/`);
    expect(data.qr_url).toMatch(`${url}/gauthify/v1/qr/`);
    expect((await fetch(data.qr_url)).status).toBe(200);
    expect((await fetch(data.ez_url)).status).toBe(200);
    const missing = await fetch(`${url}/gauthify/v1/nope/`, { headers: AUTH });
    expect(await missing.json()).toMatchObject({
      error_code: 'path_not_found',
    });
    const own = await fetch(`${url}/nope`);
    expect(await own.json()).toMatchObject({ message: 'Cannot GET /nope' });
  });

  it.each([
    ['gauthify', 'gauthify/v1/{*path}', '/gauthify/v1/'],
    [undefined, 'v1/{*path}', '/v1/'],
  ])(
    'with the path %s, is served beside a global prefix that excludes %s',
    async (path, excluded, mounted) => {
      const url = await start(
        name,
        { database: 'sqlite::memory:', ...(path && { path }) },
        (app) => app.setGlobalPrefix('api', { exclude: [excluded] }),
      );
      const { data } = await create(url + mounted);
      expect(data.unique_id).toBe('jane');
      expect((await fetch(data.qr_url)).status).toBe(200);
      expect((await fetch(data.ez_url)).status).toBe(200);
      const { error_code } = await fetchJson(`${url}${mounted}nope/`);
      expect(error_code).toBe('path_not_found');
      if (path) {
        const own = await fetch(`${url}/api/v1/users`);
        expect(await own.text()).toBe('own users');
      }
    },
  );

  it('is not asked for a second factor by a guard of the whole application', async () => {
    const module = await Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({ isGlobal: true, apiKey: KEY }),
        GAuthifyServerModule.forRoot({
          path: 'gauthify',
          database: 'sqlite::memory:',
          apiKeys: [{ realm: 'a', key: KEY }],
        }),
        OwnModule,
      ],
      providers: [{ provide: APP_GUARD, useClass: MfaGuard }],
    }).compile();
    app = module.createNestApplication(await adapter(name), { logger: false });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const { data } = await create(`${url}/gauthify/v1/`);
    expect((await fetch(data.ez_url)).status).toBe(200);
    expect((await fetch(`${url}/v1/users`)).status).toBe(401);
  });

  it('builds URLs from the given public URL', async () => {
    const url = await start(name, {
      database: 'sqlite::memory:',
      publicUrl: 'https://mfa.example.com/x/',
    });
    const { data } = await create(`${url}/v1/`);
    expect(data.ez_url).toMatch('https://mfa.example.com/x/v1/ez/');
  });

  it('keeps users and secrets in a file', async () => {
    const options = { database: `sqlite:${join(folder, `${name}.sqlite`)}` };
    const before = await create(`${await start(name, options)}/v1/`);
    await app!.close();
    const url = await start(name, {
      ...options,
      publicUrl: new URL(before.data.qr_url).origin,
    });
    const after = await fetchJson(`${url}/v1/users/jane/`, { headers: AUTH });
    expect(after.data).toEqual(before.data);
  });
});

describe('does not start', () => {
  it.each<[string, GAuthifyServerOptions, RegExp]>([
    [
      'with a database in a folder that does not exist',
      { database: `sqlite:${folder}/no/x.sqlite` },
      /Option database.*could not be opened/,
    ],
    [
      'with a folder as database',
      { database: `sqlite:${folder}` },
      /Option database.*could not be opened/,
    ],
    [
      'with a key that is too short',
      { apiKeys: [{ realm: 'a', key: 'x' }] },
      /^Option apiKeys: the key of entry 1 must be 16 to 255/,
    ],
    [
      'with an unknown security option',
      { security: { attempts: 5 } as object },
      /security\.attempts/,
    ],
    [
      'with a wrong number',
      { security: { freeAttempts: 0 } },
      /security\.freeAttempts/,
    ],
    [
      'with a path that is no string',
      { path: 7 } as object,
      /^Option path must be a string such as "gauthify", but is 7$/,
    ],
    [
      'with standalone as a word',
      { standalone: 'yes' } as object,
      /^Option standalone must be false or true, but is "yes"$/,
    ],
  ])('%s', async (_, options, message) => {
    await expect(
      start('fastify', { database: 'sqlite::memory:', ...options }),
    ).rejects.toThrow(message);
  });

  it('with a file that is no database', async () => {
    const file = join(folder, 'text.sqlite');
    writeFileSync(
      file,
      'not a database, but long enough to look like something '.repeat(40),
    );
    await expect(
      start('fastify', { database: `sqlite:${file}` }),
    ).rejects.toThrow(/file is not a database/);
  });

  it('with other keys than the database was written with', async () => {
    const database = `sqlite:${join(folder, 'keys.sqlite')}`;
    await create(`${await start('fastify', { database })}/v1/`);
    await app!.close();
    const encryptionKeys = [
      { id: 'new', key: Buffer.alloc(32, 1).toString('base64') },
    ];
    await expect(
      start('fastify', { database, encryptionKeys }),
    ).rejects.toThrow(/encrypted with other keys/);
    rmSync(join(folder, 'keys.sqlite.key'));
    await expect(start('fastify', { database })).rejects.toThrow(
      /key file .* is missing/,
    );
  });
});

it('names its options where useFactory returns none', async () => {
  const compiled = Test.createTestingModule({
    imports: [
      GAuthifyServerModule.forRootAsync({
        useFactory: (): GAuthifyServerOptions => undefined!,
      }),
    ],
  }).compile();
  await expect(compiled).rejects.toMatchObject({
    name: 'StartError',
    message: expect.stringMatching(/^The options of GAuthifyServerModule must/),
  });
});

describe('an application without an API key', () => {
  /** The warnings about API keys of one start. */
  async function warnings(
    options: GAuthifyServerOptions & { standalone?: boolean },
    createFirst = false,
  ) {
    const warned = jest
      .spyOn(Logger.prototype, 'warn')
      .mockImplementation(() => {});
    try {
      const module = await Test.createTestingModule({
        imports: [
          GAuthifyServerModule.forRoot({
            database: 'sqlite::memory:',
            ...options,
          }),
        ],
      }).compile();
      app = module.createNestApplication(await adapter('fastify'));
      await app.init();
      if (createFirst) await app.get(ApiKeysService).createFirst();
      return warned.mock.calls
        .map(([sentence]) => String(sentence))
        .filter((sentence) => sentence.includes('API key'));
    } finally {
      warned.mockRestore();
      await app!.close();
      app = undefined;
    }
  }

  it('warns once that no call can be authenticated, and says what to set', async () => {
    expect(await warnings({})).toEqual([
      'There is no API key, so every call is answered with 401: set the option apiKeys to [{ realm, key }], or call createFirst() of ApiKeysService',
    ]);
  });

  it('does not warn if a key is in the options', async () => {
    const apiKeys = [{ realm: 'a', key: KEY }];
    expect(await warnings({ apiKeys })).toEqual([]);
  });

  it('does not warn if a key is in the database', async () => {
    const database = `sqlite:${join(folder, 'one-key.sqlite')}`;
    await warnings({ database }, true);
    expect(await warnings({ database })).toEqual([]);
  });

  it('does not warn if it is standalone: the program then makes a key', async () => {
    expect(await warnings({ standalone: true })).toEqual([]);
  });
});

it('warns if Fastify would not find long ids', async () => {
  const warned = jest
    .spyOn(Logger.prototype, 'warn')
    .mockImplementation(() => {});
  try {
    for (const [made, warnings] of [
      [new FastifyAdapter(), 1],
      [new FastifyAdapter({ routerOptions: { maxParamLength: 2295 } }), 0],
      [await adapter('express'), 0],
    ] as const) {
      warned.mockClear();
      app = (
        await Test.createTestingModule({
          imports: [
            GAuthifyServerModule.forRoot({ database: 'sqlite::memory:' }),
          ],
        }).compile()
      ).createNestApplication(made);
      await app.init();
      expect(
        warned.mock.calls.filter(([it]) => /maxParamLength/.test(it)),
      ).toHaveLength(warnings);
      await app.close();
    }
  } finally {
    warned.mockRestore();
    app = undefined;
  }
});
