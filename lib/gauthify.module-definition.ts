import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  type Type,
} from '@nestjs/common';
import { refuseUnknownOptions } from './contract/known-options.js';
import {
  CLIENT_OPTIONS,
  type GAuthifyClientOptions,
  invalid,
  resolveClientOptions,
} from './client/client.options.js';
import { checkMfaOptions } from './mfa/check-options.js';
import type { GAuthifyResolvedOptions, MfaOptions } from './mfa/mfa.options.js';

/** Token of the options as the application gave them, unchecked: only the check may use it. */
export const GAUTHIFY_GIVEN_OPTIONS = Symbol('GAUTHIFY_GIVEN_OPTIONS');

/** Options of `GAuthifyModule`. */
export interface GAuthifyModuleOptions extends GAuthifyClientOptions {
  /** How `MfaGuard` reads requests. */
  mfa?: MfaOptions | undefined;
}

/** A provider that makes the options: `useClass` and `useExisting` of `GAuthifyModule.forRootAsync`. */
export interface GAuthifyOptionsFactory {
  /** Called once, at start. */
  createGAuthifyOptions():
    GAuthifyModuleOptions | Promise<GAuthifyModuleOptions>;
}

const OPTIONS = [...CLIENT_OPTIONS, 'mfa'];
/** Beside the options in `forRoot`, beside the factory in `forRootAsync`; never returned by one. */
const EXTRAS = ['isGlobal', 'name', 'http', 'mfaRoutes'];
const FACTORIES = ['useFactory', 'useClass', 'useExisting'];

const unknown = (option: string, problem: string): Error =>
  new Error(`GAuthifyModule: ${option}: ${problem}`);

function checkIsObject(
  options: unknown,
): asserts options is Record<string, unknown> {
  if (typeof options !== 'object' || options === null)
    throw invalid('options', 'must be an object with at least an apiKey');
}

/** Checks what `forRoot` is given besides the options. @throws Error as {@link resolveOptions} */
export function checkSyncExtras(given: unknown): void {
  checkIsObject(given);
  if (Object.hasOwn(given, 'mfaRoutes'))
    throw invalid('mfaRoutes', 'is for forRootAsync: here it is mfa.routes');
  refuseUnknownOptions(
    given,
    [...OPTIONS, 'isGlobal', 'name', 'http'],
    unknown,
  );
  checkExtras(given);
}

/** Checks what `forRootAsync` is given besides the options. @throws Error as {@link resolveOptions} */
export function checkAsyncExtras(given: unknown): void {
  const needed = 'must have a function useFactory, or useClass or useExisting';
  if (typeof given !== 'object' || given === null)
    throw invalid('the object given to forRootAsync', needed);
  const misplaced = OPTIONS.find((name) => Object.hasOwn(given, name));
  if (misplaced)
    throw invalid(misplaced, 'must be returned by the factory, not beside it');
  refuseUnknownOptions(
    given,
    [
      'imports',
      'inject',
      'provideInjectionTokensFrom',
      ...FACTORIES,
      ...EXTRAS,
    ],
    unknown,
  );
  const factories = given as Record<string, unknown>;
  if (!FACTORIES.some((name) => factories[name]))
    throw invalid('the object given to forRootAsync', needed);
  const { useFactory } = factories;
  if (useFactory !== undefined && typeof useFactory !== 'function')
    throw invalid('useFactory', 'must be a function');
  checkExtras(factories);
}

function checkExtras({ isGlobal, name, http }: Record<string, unknown>): void {
  if (isGlobal !== undefined && typeof isGlobal !== 'boolean')
    throw invalid('isGlobal', 'must be true or false');
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    throw invalid('name', 'must be a string that is not empty, or be left out');
  const module = (http as Partial<DynamicModule> | null | undefined)?.module;
  if (http !== undefined && typeof (module ?? http) !== 'function')
    throw invalid(
      'http',
      'must be a module, such as HttpModule.register({ … }), or be left out',
    );
}

/**
 * Checks the options of `GAuthifyModule` and fills in defaults.
 *
 * @throws Error one sentence that names the option and says what to do; never with a value that may hold the API key
 */
export function resolveOptions(
  options: GAuthifyModuleOptions,
): GAuthifyResolvedOptions {
  checkIsObject(options);
  const misplaced = EXTRAS.find((name) => Object.hasOwn(options, name));
  if (misplaced)
    throw invalid(
      misplaced,
      'is needed before a factory runs: put it beside useFactory, useClass or useExisting',
    );
  refuseUnknownOptions(options, OPTIONS, unknown);
  return Object.freeze({
    ...resolveClientOptions(options),
    mfa: checkMfaOptions(options.mfa),
  });
}

/** What `forRoot` and `forRootAsync` of `GAuthifyModule` take besides the options. */
export interface GAuthifyModuleExtras {
  /** Whether every module can inject the service without importing this one. @default false */
  isGlobal?: boolean | undefined;

  /**
   * Name of this GAuthify, if an application uses several: its service is then
   * injected only by `@InjectGAuthify(name)`.
   *
   * @default none: the service is injected by its class
   */
  name?: string | undefined;

  /**
   * Your own `HttpModule`, such as `HttpModule.register({ proxy: … })`: its
   * `HttpService` makes the requests, with its interceptors and connections.
   * They see the API key and people's codes.
   *
   * @default connections of the package's own, kept alive
   */
  http?: DynamicModule | Type | undefined;
}

export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<GAuthifyModuleOptions>({
    optionsInjectionToken: GAUTHIFY_GIVEN_OPTIONS,
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createGAuthifyOptions')
    .setExtras<GAuthifyModuleExtras>(
      // Each is listed: any other would be taken for an option.
      { isGlobal: false, name: undefined, http: undefined },
      (definition, { isGlobal }) => ({ ...definition, global: isGlobal }),
    )
    .build();
