import 'reflect-metadata';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Logger,
  Module,
  UseGuards,
  type DynamicModule,
  type Type,
} from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Test } from '@nestjs/testing';
import {
  GAUTHIFY_MODULE_OPTIONS,
  GAuthifyModule,
  type GAuthifyModuleOptions,
  type GAuthifyOptionsFactory,
  type GAuthifyResolvedOptions,
  GAuthifyService,
  MfaGuard,
} from 'nestjs-gauthify';

const options: GAuthifyModuleOptions = {
  apiKey: 'key-of-the-realm',
  accessPoints: ['http://127.0.0.1:4000/v1'],
};

@Injectable()
class Settings {
  readonly options = options;
}

@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

@Injectable()
class OptionsFactory implements GAuthifyOptionsFactory {
  constructor(@Inject(Settings) private readonly settings: Settings) {}

  createGAuthifyOptions(): Promise<GAuthifyModuleOptions> {
    return Promise.resolve(this.settings.options);
  }
}

@Module({
  imports: [SettingsModule],
  providers: [OptionsFactory],
  exports: [OptionsFactory],
})
class OptionsFactoryModule {}

const start = (...imports: (DynamicModule | Type)[]) =>
  Test.createTestingModule({ imports }).compile();

describe('the module', () => {
  it.each<[string, (isGlobal?: boolean) => DynamicModule]>([
    ['forRoot', (isGlobal) => GAuthifyModule.forRoot({ ...options, isGlobal })],
    [
      'forRootAsync with useFactory',
      (isGlobal) =>
        GAuthifyModule.forRootAsync({
          isGlobal,
          imports: [SettingsModule],
          inject: [Settings],
          useFactory: (settings: Settings) => settings.options,
        }),
    ],
    [
      'forRootAsync with useClass',
      (isGlobal) =>
        GAuthifyModule.forRootAsync({
          isGlobal,
          imports: [SettingsModule],
          useClass: OptionsFactory,
        }),
    ],
    [
      'forRootAsync with useExisting',
      (isGlobal) =>
        GAuthifyModule.forRootAsync({
          isGlobal,
          imports: [OptionsFactoryModule],
          useExisting: OptionsFactory,
        }),
    ],
  ])(
    '%s gives the service, checked options and a guard',
    async (_, configure) => {
      @Controller()
      class Guarded {
        @Get()
        @UseGuards(MfaGuard)
        get(): void {}
      }

      @Module({ imports: [configure()], controllers: [Guarded] })
      class Importing {}
      const module = await start(Importing);
      expect(module.get(GAuthifyService)).toBeInstanceOf(GAuthifyService);
      expect(
        module.get<GAuthifyResolvedOptions>(GAUTHIFY_MODULE_OPTIONS),
      ).toMatchObject({
        apiKey: options.apiKey,
        accessPoints: ['http://127.0.0.1:4000/v1/'],
        timeoutMs: 5000,
      });
      await module.close();

      @Module({ controllers: [Guarded] })
      class NotImporting {}
      await expect(start(configure(), NotImporting)).rejects.toThrow(
        /can't resolve dependencies of the MfaGuard/,
      );
      await (await start(configure(true), NotImporting)).close();
    },
  );

  it('serves several realms side by side', async () => {
    const realm = (name: string): DynamicModule => ({
      module: class {},
      imports: [GAuthifyModule.forRoot({ apiKey: `key-of-${name}` })],
      providers: [
        {
          provide: name,
          useFactory: ({ apiKey }: GAuthifyResolvedOptions) => apiKey,
          inject: [GAUTHIFY_MODULE_OPTIONS],
        },
      ],
    });
    const module = await start(realm('staff'), realm('customers'));
    expect(module.get('staff', { strict: false })).toBe('key-of-staff');
    expect(module.get('customers', { strict: false })).toBe('key-of-customers');
    await module.close();
  });

  it.each([
    ['forRoot', () => GAuthifyModule.forRoot({ apiKey: '' })],
    [
      'forRootAsync',
      () => GAuthifyModule.forRootAsync({ useFactory: () => ({ apiKey: '' }) }),
    ],
  ])('%s with a wrong option stops the application', async (_, configure) => {
    await expect(start(configure())).rejects.toThrow(
      'GAuthifyModule: apiKey is missing: set it to the API key of your realm.',
    );
  });
});

describe('is refused with a sentence:', () => {
  const sync = (given?: unknown) => () =>
    GAuthifyModule.forRoot(given as GAuthifyModuleOptions);
  const async = (given?: unknown) => () =>
    GAuthifyModule.forRootAsync(
      given as Parameters<typeof GAuthifyModule.forRootAsync>[0],
    );
  const useFactory = () => options;
  const returning = (extra: object) =>
    async({ useFactory: () => ({ ...options, ...extra }) });

  it.each<[string, () => DynamicModule, string]>([
    ['forRoot()', sync(), 'options must be an object with at least an apiKey'],
    ['forRootAsync()', async(), 'must have a function useFactory'],
    ['forRootAsync({})', async({}), 'must have a function useFactory'],
    [
      'useFactory of an object',
      async({ useFactory: options }),
      'useFactory must be a function',
    ],
    ['http: {}', sync({ ...options, http: {} }), 'http must be a module'],
    ['http: {}, async', async({ useFactory, http: {} }), 'http must be a'],
    ['http: null', sync({ ...options, http: null }), 'http must be a module'],
    [
      "isGlobal: 'yes'",
      sync({ ...options, isGlobal: 'yes' }),
      'isGlobal must be true or false',
    ],
    [
      "isGlobal: 'yes', async",
      async({ useFactory, isGlobal: 'yes' }),
      'isGlobal must be true or false',
    ],
    ["name: ''", sync({ ...options, name: '' }), 'name must be a string'],
    ['global', sync({ ...options, global: true }), 'did you mean isGlobal?'],
    [
      'global, async',
      async({ useFactory, global: true }),
      'global: there is no such option; did you mean isGlobal?',
    ],
    [
      'accessPoint',
      sync({ apiKey: 'key', accessPoint: 'http://a/v1/' }),
      'accessPoint: there is no such option; did you mean accessPoints?',
    ],
    [
      'accessPoint, of a factory',
      returning({ accessPoint: 'http://a/v1/' }),
      'accessPoint: there is no such option; did you mean accessPoints?',
    ],
    [
      'timeoutMs beside a factory',
      async({ useFactory, timeoutMs: 5 }),
      'timeoutMs must be returned by the factory',
    ],
    [
      'mfaRoutes of forRoot',
      sync({ ...options, mfaRoutes: true }),
      'mfaRoutes is for forRootAsync: here it is mfa.routes',
    ],
    ...['name', 'isGlobal', 'http', 'mfaRoutes'].map(
      (name): [string, () => DynamicModule, string] => [
        `${name} returned by a factory`,
        returning({ [name]: undefined }),
        `${name} is needed before a factory runs: put it beside useFactory`,
      ],
    ),
  ])('%s', async (_, configure, message) => {
    const starting = (async () => start(configure()))();
    await expect(starting).rejects.toThrow('GAuthifyModule: ');
    await expect(starting).rejects.toThrow(message);
  });
});

describe('with ConfigModule', () => {
  const NAMES = ['GAUTHIFY_API_KEY', 'GAUTHIFY_ACCESS_POINTS'] as const;
  afterEach(() => NAMES.forEach((name) => delete process.env[name]));

  const fromEnvironment = () =>
    start(
      GAuthifyModule.forRootAsync({
        imports: [ConfigModule.forRoot({ ignoreEnvFile: true })],
        inject: [ConfigService],
        useFactory: (config: ConfigService) => ({
          apiKey: config.get<string>('GAUTHIFY_API_KEY', ''),
          accessPoints: config
            .get<string>('GAUTHIFY_ACCESS_POINTS')
            ?.split(','),
        }),
      }),
    );

  it('is configured by environment variables', async () => {
    process.env['GAUTHIFY_API_KEY'] = 'key-of-the-environment';
    process.env['GAUTHIFY_ACCESS_POINTS'] =
      'http://a.example/v1/, http://b.example/v1';
    const module = await fromEnvironment();
    expect(
      module.get(GAUTHIFY_MODULE_OPTIONS, { strict: false }),
    ).toMatchObject({
      apiKey: 'key-of-the-environment',
      accessPoints: ['http://a.example/v1/', 'http://b.example/v1/'],
    });
    await module.close();
  });

  it('asks the hosted service where no access point is named', async () => {
    process.env['GAUTHIFY_API_KEY'] = 'key-of-the-environment';
    const module = await fromEnvironment();
    expect(
      module.get<GAuthifyResolvedOptions>(GAUTHIFY_MODULE_OPTIONS).accessPoints,
    ).toHaveLength(2);
    await module.close();
  });

  it('does not start without a key', async () => {
    await expect(fromEnvironment()).rejects.toThrow(/apiKey is missing/);
  });
});

describe('an access point over plain http', () => {
  const warningsOf = async (...accessPoints: string[]) => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const module = await start(
      GAuthifyModule.forRoot({ ...options, accessPoints }),
    );
    const lines = warn.mock.calls.map(([line]) => String(line));
    warn.mockRestore();
    await module.close();
    return lines;
  };

  it('on another machine is warned of at start, in one line without the key', async () => {
    const lines = await warningsOf(
      'https://a.example/v1/',
      'http://b.example:4000/gauthify/v1/',
      'http://10.0.0.7/v1/',
    );
    expect(lines).toEqual([
      expect.stringMatching(
        /http:\/\/b\.example:4000, http:\/\/10\.0\.0\.7 .*plain http.*API key.*Use https/,
      ),
    ]);
    expect(lines[0]).not.toContain(options.apiKey);
  });

  it.each([
    'http://localhost.example/v1/',
    'http://127.example/v1/',
    'http://[::2]/v1/',
  ])('is warned of where its host only looks like this one: %s', async (url) =>
    expect(await warningsOf(url)).toHaveLength(1),
  );

  it.each([
    'http://localhost:4000/v1/',
    'http://LOCALHOST/v1/',
    'http://127.0.0.1/v1/',
    'http://127.8.9.10/v1/',
    'http://[::1]:4000/v1/',
    'https://gauthify.example/v1/',
  ])('on this machine is not: %s', async (url) =>
    expect(await warningsOf(url)).toEqual([]),
  );
});
