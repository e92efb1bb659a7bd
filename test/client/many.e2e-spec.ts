import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { HttpModule, type HttpModuleOptions } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  GAuthifyModule,
  GAuthifyService,
  getGAuthifyToken,
  InjectGAuthify,
} from 'nestjs-gauthify';
import { firstValueFrom as first } from 'rxjs';
import { data, deadUrl, hangUp, wireUser } from '../helpers/access-point.js';
import {
  accessPoint,
  afterThisTest,
  API_KEY,
  client,
  noTls,
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
    ['main', 'staging', 'async'].map((display_name) =>
      accessPoint(data(wireUser({ display_name }))),
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
  const names = [both.main, both.staging, both.other].map(async (gauthify) =>
    first(gauthify.getUser('jane')).then(({ displayName }) => displayName),
  );
  expect(await Promise.all(names)).toEqual(['main', 'staging', 'async']);
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

it.each<[string, () => Promise<string>, HttpModuleOptions]>([
  ['fails at TLS', noTls, {}],
  ['refuses connections', deadUrl, {}],
  ['closes connections', async () => (await accessPoint(hangUp)).url, {}],
  [
    'has no address',
    async () => 'http://nowhere.example/v1/',
    {
      lookup: (_host, _options, done) =>
        done(Object.assign(new Error(), { code: 'ENOTFOUND' }), ''),
    },
  ],
])(
  'fails over by an HttpModule of the application where the first %s',
  async (_, start, options) => {
    const second = await accessPoint(
      data({ unique_id: 'jane', authenticated: true }),
    );
    const firstUrl = await start();
    const module = await Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({
          apiKey: API_KEY,
          accessPoints: [firstUrl, second.url],
          http: HttpModule.register(options),
        }),
      ],
    }).compile();
    afterThisTest(() => module.close());
    const gauthify = module.get(GAuthifyService);
    for (let i = 0; i < 2; i++)
      await expect(first(gauthify.checkAuth('jane', '123456'))).resolves.toBe(
        true,
      );
    expect(second.seen.map(({ url }) => url)).toEqual([
      '/v1/errors/',
      '/v1/check/',
      '/v1/check/',
    ]);
  },
);

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
